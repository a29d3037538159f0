"""The worker's task that sends to webhooks, and the steps that tests of it are made of."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from polku_referral.desk import Desk
from polku_referral.feed.consumer import feed_senders
from polku_referral.master import read_master_key
from polku_referral.settings import ReferralSettings
from polku_referral.webhooks.delivery import Delivery
from polku_referral.webhooks.endpoints import Webhooks, open_webhooks
from polku_referral.webhooks.posting import Poster
from polku_runtime.lease import Lease
from polku_runtime.metrics import Metrics
from polku_runtime.testing import Clock
from polku_runtime.testing.workers import until

from ..conftest import Sender
from ..feeding import carry, outbox

WEBHOOKS = "/webhooks"
AT_ONCE_S = 10.0
"""For what takes tens of milliseconds: a bound on a machine that is busy, and less than the worker's next look."""
Register = Callable[..., Awaitable[dict[str, Any]]]


def delivery_of(app: FastAPI) -> Delivery:
    settings: ReferralSettings = app.state.settings
    database, effects = app.state.database, app.state.effects
    allowed, master = app.state.webhooks.allowed, read_master_key(settings.master_key_file)
    return Delivery(
        database=database,
        webhooks=open_webhooks(database, effects, allowed=allowed, master=master),
        poster=Poster(allowed, settings.webhook_timeout),
        origin=settings.base_url,
        lease=Lease(database, "webhooks", effects),
        metrics=Metrics(),
    )


@asynccontextmanager
async def sending(delivery: Delivery) -> AsyncIterator[None]:
    task = asyncio.create_task(delivery.run())
    try:
        yield
    finally:
        task.cancel()
        ended = (await asyncio.gather(task, return_exceptions=True))[0]
        assert isinstance(ended, asyncio.CancelledError), ended


async def all_due(delivery: Delivery, webhook_id: str) -> int:
    """Sends one after the other what is due by the clock; how many tries that were."""
    tries = 0
    while webhook := await delivery.ready(webhook_id):
        ready = await delivery.deliveries.due(webhook_id, [], 10)
        for row in ready:
            await delivery.send(webhook, row)
            tries += 1
        if not ready:
            break
    return tries


async def later(delivery: Delivery, webhook_id: str, clock: Clock) -> None:
    """The clock moves to when the next is due."""
    due = await delivery.deliveries.next_due(webhook_id)
    assert due is not None
    clock.now = max(clock.now, due)


async def nothing_waits(delivery: Delivery) -> None:
    async def nothing() -> bool:
        return not await delivery.deliveries.rows.count_documents({"state": "waiting"})

    await until(nothing)


async def post(who: Sender, address: str, sent: Any = None, status: int = 200) -> dict[str, Any]:
    headers = {**who.headers, "content-type": "application/json"}
    answer = await who.http.post(f"/referral/api/v1{address}", json={} if sent is None else sent, headers=headers)
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def happens(desk: Desk, webhooks: Webhooks) -> None:
    """Brings the feed, and with it the deliveries, up to date."""
    await carry(feed_senders(webhooks.feed, webhooks.fan_out), await outbox(desk))


async def attempts_of(sender: Sender, webhook_id: str) -> list[dict[str, Any]]:
    """Oldest first."""
    told = (await sender.get(f"{WEBHOOKS}/{webhook_id}/attempts?limit=200")).json()
    return list(reversed(told["items"]))
