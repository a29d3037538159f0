"""Sends to webhooks: one lane per address, so that a slow or dead one costs the others nothing.

In a lane a few referrals are in hand at once, each with its first waiting event. One worker sends at a time, by
lease; after a crash what was in hand is sent again, so a receiver tells repeats by `webhook-id`.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import replace

from polku_referral.feed import wire as feed_wire
from polku_referral.model.webhook import CHALLENGE, Cause, Webhook, next_try, proves, quiet_until
from polku_referral.webhooks import signatures
from polku_referral.webhooks.addresses import judge
from polku_referral.webhooks.deliveries import DELIVERIES
from polku_referral.webhooks.endpoints import Webhooks
from polku_referral.webhooks.posting import NOT_PROVEN, Answer, Poster
from polku_referral.webhooks.store import WEBHOOKS
from polku_runtime.lease import Lease
from polku_runtime.metrics import Metrics
from polku_runtime.mongo import Database, Document
from polku_runtime.trouble import is_infrastructure, name_of
from polku_runtime.waking import pause, woken_within
from polku_runtime.watch import watch

AT_ONCE = 4
"""Referrals of one webhook in hand at the same time."""
HOLD_S = 3.0
"""The lease lasts five seconds; whoever waits for it asks as seldom."""
POLL_S = 15.0
"""What is due is looked for this often even if no change stream wakes anybody."""
LONGEST_PAUSE_S = 60.0
"""Of a lane that waits for the next to be due: the clock may jump."""

log = logging.getLogger(__name__)


class LeaseLost(Exception):
    """Another worker sends now."""


class Delivery:
    """The worker's task; `run` goes on until another worker holds the lease."""

    def __init__(
        self,
        *,
        database: Database,
        webhooks: Webhooks,
        poster: Poster,
        origin: str,
        lease: Lease,
        metrics: Metrics,
    ) -> None:
        self.database = database
        self.webhooks = webhooks
        self.deliveries = webhooks.deliveries
        self.poster = poster
        self.origin = origin
        self.lease = lease
        self.metrics = metrics
        self.effects = webhooks.effects
        self.lanes: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        """Waits for the lease, then sends. Raises infrastructure trouble, so that the worker begins it again."""
        while not await self.lease.hold():
            await pause(HOLD_S)
        try:
            async with asyncio.TaskGroup() as group:
                self.lanes = {}
                wake = self._waker(group)
                group.create_task(self._hold())
                group.create_task(watch(self.database, [DELIVERIES, WEBHOOKS], lambda seen: _woken(seen, wake)))
                group.create_task(self._poll(wake))
        except* LeaseLost:
            log.warning("another worker sends to webhooks now")
        finally:
            await self.poster.close()
            with contextlib.suppress(Exception):  # it ends by itself when MongoDB is gone
                await self.lease.release()

    def _waker(self, group: asyncio.TaskGroup) -> Callable[[str], None]:
        def wake(webhook_id: str) -> None:
            if webhook_id in self.lanes:
                self.lanes[webhook_id].set()
            else:
                self.lanes[webhook_id] = asyncio.Event()
                group.create_task(self._lane(webhook_id))

        return wake

    async def _hold(self) -> None:
        while await self.lease.hold():
            await pause(HOLD_S)
        raise LeaseLost

    async def _poll(self, wake: Callable[[str], None]) -> None:
        while True:
            called = set(await self.deliveries.due_webhooks()) - await self.webhooks.store.resting()
            for webhook_id in called.union(await self.webhooks.store.filling()):
                wake(webhook_id)
            dues = [due for webhook_id in called if (due := await self.deliveries.next_due(webhook_id))]
            overdue = (self.effects.now() - min(dues)).total_seconds() if dues else 0.0
            self.metrics.webhook_overdue.set(max(0.0, overdue))
            await pause(POLL_S)

    async def _lane(self, webhook_id: str) -> None:
        """Sends all that waits for one webhook, each in its turn; ends when nothing waits."""
        woken, busy = self.lanes[webhook_id], set[str]()
        try:
            async with asyncio.TaskGroup() as sends:
                while True:
                    woken.clear()
                    free = AT_ONCE - len(busy)  # counted before: what ends meanwhile may ask to be left alone
                    webhook = await self.ready(webhook_id)
                    if webhook is None:
                        return
                    quiet = self._quiet(webhook)
                    if free and not quiet:
                        for delivery in await self.deliveries.due(webhook_id, sorted(busy), free):
                            busy.add(delivery["order"])
                            sends.create_task(self._send(webhook, delivery, busy, woken))
                    seconds = quiet or await self._pause(webhook_id, busy)
                    if seconds is None and not busy and not woken.is_set():
                        return
                    await woken_within(woken, seconds)
        finally:
            # Nothing is awaited since `woken` was looked at: a wake after this opens a new lane.
            self.lanes.pop(webhook_id, None)

    def _quiet(self, webhook: Webhook) -> float | None:
        """Seconds for which it asked to be left alone."""
        if webhook.quiet_until is None or webhook.quiet_until <= (now := self.effects.now()):
            return None
        return min((webhook.quiet_until - now).total_seconds(), LONGEST_PAUSE_S)

    async def _send(self, webhook: Webhook, delivery: Document, busy: set[str], woken: asyncio.Event) -> None:
        try:
            await self.send(webhook, delivery)
        finally:
            busy.discard(delivery["order"])
            woken.set()

    async def _pause(self, webhook_id: str, busy: set[str]) -> float | None:
        """Seconds until more can be begun; None when that is not a question of time."""
        if len(busy) == AT_ONCE:
            return None
        due = await self.deliveries.next_due(webhook_id, sorted(busy))
        return None if due is None else min(max(0.0, (due - self.effects.now()).total_seconds()), LONGEST_PAUSE_S)

    async def ready(self, webhook_id: str) -> Webhook | None:
        """The webhook when something may be sent to it, with all that was asked for made."""
        while True:
            webhook = await self.webhooks.store.get(webhook_id, {})
            if webhook is None:
                await self.deliveries.forget(webhook_id)
                return None
            if webhook.state == "disabled" or not await self.webhooks.store.has_active_owner(webhook):
                return None  # what waits goes on waiting
            if webhook.fill is None:
                return webhook
            await self.webhooks.fill(webhook)

    async def send(self, webhook: Webhook, delivery: Document) -> None:
        """One try, written down, with what follows from it."""
        body = await self._body(delivery)
        if body is None:  # older than the feed goes back: the webhook was disabled for more than a year
            await self.deliveries.done(delivery, "dropped")
            return
        try:
            answer = await self._post(webhook, delivery, body)
        except Exception as error:
            if is_infrastructure(error):
                raise
            log.exception("a webhook cannot be called", extra={"error": name_of(error)})
            answer = Answer(None, "internal", 0)
        if answer.succeeded and delivery["type"] == CHALLENGE and not proves(answer.body, delivery["challenge"]):
            answer = replace(answer, error=NOT_PROVEN)
        await self.deliveries.tried(delivery, answer)
        await self._settle(webhook, delivery, answer)

    async def _body(self, delivery: Document) -> str | None:
        if delivery["type"] == CHALLENGE:
            said = {"type": CHALLENGE, "timestamp": delivery["made_at"].isoformat(), "data": {}}
            return json.dumps({**said, "data": {"challenge": delivery["challenge"]}})
        row = await self.webhooks.feed.row(delivery["item_id"])
        return None if row is None else feed_wire.body(row, self.origin)

    async def _post(self, webhook: Webhook, delivery: Document, body: str) -> Answer:
        target = judge(webhook.url, self.webhooks.allowed)
        keys = await self.webhooks.store.keys(webhook.id)
        if isinstance(target, str):  # what the operator allows has changed since it was registered
            return Answer(None, "address-refused", 0)
        if not keys:  # it is being removed just now: nobody is told without a signature
            return Answer(None, "internal", 0)
        now = self.effects.now()
        signed = signatures.headers(webhook.scheme, keys, delivery["item_id"], now, body)
        headers = {"content-type": "application/json", "user-agent": "Polku-Webhooks/1", **signed}
        return await self.poster.post(target, headers, body.encode(), now)

    async def _settle(self, webhook: Webhook, delivery: Document, answer: Answer) -> None:
        kind = delivery["type"]
        self.metrics.webhook_attempts.labels("delivered" if answer.succeeded else "failed").inc()
        if answer.succeeded:
            if kind == CHALLENGE:
                await self.webhooks.store.verified(webhook.id)
            await self.deliveries.done(delivery, "delivered")
            return
        now = self.effects.now()
        first_at = delivery.get("first_at") or now
        if answer.status == 410 and kind != CHALLENGE:
            await self.deliveries.put_off(delivery, first_at, now)
            await self._disable(webhook, "gone")
            return
        quiet = quiet_until(status=answer.status, retry_after=answer.retry_after, now=now)
        if quiet is not None and kind != CHALLENGE:
            await self.webhooks.store.leave_alone(webhook.id, quiet)
        due = next_try(
            kind=kind,
            tries=delivery["tries"] + 1,
            first_at=first_at,
            now=now,
            retry_after=answer.retry_after,
            chance=self.effects.random,
        )
        if due is not None:
            await self.deliveries.put_off(delivery, first_at, due)
        elif kind == CHALLENGE:
            await self.deliveries.done(delivery, "dropped")
        else:
            await self.deliveries.put_off(delivery, first_at, now)
            await self._disable(webhook, "failed")

    async def _disable(self, webhook: Webhook, cause: Cause) -> None:
        log.warning("a webhook is not called any more", extra={"webhook": webhook.id, "reason": cause})
        await self.webhooks.disable(webhook, cause)


def _woken(seen: Document, wake: Callable[[str], None]) -> None:
    """A delivery's `_id` begins with the webhook's; changes of deliveries are the lanes' own work."""
    if seen["id"] is None or (seen["collection"] == DELIVERIES and seen["operation"] != "insert"):
        return
    wake(str(seen["id"]).partition(".")[0])
