"""Webhooks while the worker is killed with -9 in the middle of sending: every event arrives, in order per referral."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random
from typing import Any

import httpx
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError

from polku_embedded import mongodb
from polku_embedded.ports import Ports
from polku_embedded.simulation import present_day
from polku_embedded.world.colleague import Colleague
from polku_embedded.world.sender import REFERRALS, Sender
from tests.installation import Installation, body, together, until
from tests.receiver import Message, Receiver, in_order, receiving

TODAY = present_day()
API = "/referral/api/v1"
REFERRED, KILLS, SEED = 30, 2, 11
FIRST = 7000
"""The number of the first person, whom no other test of this installation has."""
ABANDONED_S = 30
"""Far more than mongod needs to end what was left open, far less than the 60 to 90 s of MongoDB's own default."""


async def test_killed_in_the_middle_of_deliveries(troubled: Installation) -> None:
    chance = Random(SEED)

    def behave(_: Message) -> Any:
        """One in five fails at first in some way, one in five takes its time."""
        return chance.choices((204, "slow", 500, "reset"), (60, 20, 10, 10))[0]

    async with (
        receiving() as receiver,
        together(troubled.sender(), troubled.signed_in("coordinator", "hook-coordinator")) as (sender, coordinator),
        mongod(troubled) as mongo,
    ):
        headers = {"authorization": f"Bearer {await sender.token()}"}
        webhook = await registered(sender.http, headers, receiver)
        receiver.behave = behave
        walking = asyncio.create_task(walk_all(sender, coordinator))
        for kill in range(1, KILLS + 1):
            await receiver.until(lambda kill=kill: len(receiver.taken) >= kill * 12, 120)  # type: ignore[misc]
            if kill == 1:
                await leave_open(mongo["polku_referral"]["feed_counters"])
                freed = asyncio.create_task(free_again(mongo["polku_referral"]["feed_counters"]))
            troubled.kill("worker")
        ids = await walking
        receiver.behave = lambda _: 204
        assert await freed < ABANDONED_S
        feed = await until(lambda: whole_feed(sender.http, headers, set(ids)), 60)
        asked = {"since": "2026-01-01T00:00:00Z"}
        again = await sender.http.post(f"{API}/webhooks/{webhook}/replay", json=asked, headers=headers)
        assert again.status_code == httpx.codes.ACCEPTED, again.text
        listing = asyncio.create_task(asyncio.to_thread(troubled.polku, "webhooks", "list", "--json"))
        wanted = {item["id"] for item in feed}
        await receiver.until(lambda: {message.id for message in receiver.taken} >= wanted, 60)

        assert receiver.verified >= len(receiver.taken)
        assert in_order(receiver.taken)
        attempts = (await sender.http.get(f"{API}/webhooks/{webhook}/attempts?limit=200", headers=headers)).json()
        assert {row["error"] for row in attempts["items"]} | {row["status"] for row in attempts["items"]} >= {None, 204}
        rows = await listing
        assert (rows.returncode, webhook in rows.stdout) == (0, True)
        await sender.http.delete(f"{API}/webhooks/{webhook}", headers=headers)


@asynccontextmanager
async def mongod(installation: Installation) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    ports = Ports(**json.loads((installation.data / "ports.json").read_text("utf-8")))
    async with AsyncMongoClient[dict[str, Any]](mongodb.uri(ports.mongo)) as client:
        yield client


async def leave_open(counters: AsyncCollection[dict[str, Any]]) -> None:
    """A transaction in which the feed's counter was written, as a worker that is killed just then leaves it behind.

    Nobody commits or ends it: until mongod does, whoever writes the counter meets a conflict.
    """
    session = counters.database.client.start_session()
    while True:
        await session.start_transaction()
        try:
            await counters.update_many({}, {"$inc": {"seq": 1000}}, session=session)
        except PyMongoError:  # the worker was writing it
            await session.abort_transaction()
        else:
            return


async def free_again(counters: AsyncCollection[dict[str, Any]]) -> float:
    """The seconds after which others can write the counters."""
    begun = time.monotonic()
    await counters.update_many({}, {"$set": {"touched": "free"}})
    return time.monotonic() - begun


async def registered(http: httpx.AsyncClient, headers: dict[str, str], receiver: Receiver) -> str:
    """A webhook that has answered its challenge."""
    made = (await http.post(f"{API}/webhooks", json={"url": receiver.url}, headers=headers)).json()
    receiver.secret = made["verify_with"]

    async def active() -> bool:
        shown = (await http.get(f"{API}/webhooks/{made['id']}", headers=headers)).json()
        return bool(shown["state"] == "active")

    await until(active, 60)
    return str(made["id"])


async def walk_all(sender: Sender, coordinator: Colleague) -> list[str]:
    """Referrals that are put on the waiting list and accepted; each has three events in the end."""
    ids = []
    for number in range(REFERRED):
        told = await sender.push(body(f"HOOK-{number}", FIRST + number, SEED, referred_on=TODAY - timedelta(days=9)))
        address = f"{REFERRALS}/{told['id']}"
        review = {"review_on": (TODAY + timedelta(days=30)).isoformat()}
        for version, (command, wish) in enumerate((("waitlist", review), ("accept", {})), start=1):
            answer = await coordinator.command(f"{address}/{command}", wish, version)
            assert answer.status_code == httpx.codes.OK, answer.text
        ids.append(told["id"])
    return ids


async def whole_feed(http: httpx.AsyncClient, headers: dict[str, str], ids: set[str]) -> list[dict[str, Any]] | None:
    """These referrals' items of the feed, once there are three of each."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = (await http.get(f"{API}/events?limit=200{cursor}", headers=headers)).json()
        items += [item for item in page["items"] if item["data"].get("referral_id") in ids]
        cursor = f"&after={page['next']}"
        if not page["more"]:
            return items if len(items) >= 3 * len(ids) else None
