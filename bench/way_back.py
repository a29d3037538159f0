"""What is measured on the way back to a sender: an event at its webhook, and pages of a feed of a year."""

import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from pymongo import AsyncMongoClient
from tests.installation import Installation, body, installed, until
from tests.receiver import Message, receiving

from bench.figure import Figure
from polku_embedded.simulation import present_day
from polku_embedded.world.colleague import Colleague
from polku_embedded.world.sender import REFERRALS, Sender
from polku_web.paging import encode

API = "/referral/api/v1"
RATE, SECONDS = 20, 30
ROWS, CHUNK, PAGES = 1_000_000, 20_000, 60
TODAY = present_day()


def measure(folder: Path) -> Iterator[Figure]:
    with installed(folder / "data", POLKU_WEBHOOK_ALLOW="127.0.0.1") as installation:
        yield from asyncio.run(webhook(installation))
        yield from asyncio.run(polling(installation))


async def webhook(installation: Installation) -> list[Figure]:
    """From sending a command until its event has come to the sender's webhook: outbox, Kafka, feed, delivery."""
    came: dict[tuple[str, int], float] = {}

    def note(message: Message) -> int:
        data = message.told["data"]
        came.setdefault((data.get("referral_id"), data.get("version")), time.perf_counter())
        return 204

    async with (
        receiving(behave=note) as receiver,
        installation.sender() as sender,
        installation.signed_in("coordinator", "bench-way-back") as coordinator,
    ):
        headers = {"authorization": f"Bearer {await sender.token()}"}
        ids = [await _referred(sender, number) for number in range(RATE * SECONDS)]
        made = (await sender.http.post(f"{API}/webhooks", json={"url": receiver.url}, headers=headers)).json()
        await until(lambda: _active(sender.http, headers, made["id"]), 60)
        sent: dict[tuple[str, int], float] = {}
        began = time.perf_counter()
        commands = []
        for number, referral_id in enumerate(ids):
            await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
            sent[referral_id, 2] = time.perf_counter()
            commands.append(asyncio.create_task(_accept(coordinator, referral_id)))
        await asyncio.gather(*commands)
        await receiver.until(lambda: came.keys() >= sent.keys(), 60)
    took = [(came[key] - at) * 1000 for key, at in sent.items()]
    points = statistics.quantiles(took, n=100)
    name = f"command to the event at the sender's webhook, through Kafka, {RATE}/s"
    return [
        Figure(f"{name}, p50", points[49], "ms", at_most=500),
        Figure(f"{name}, p99", points[98], "ms"),
    ]


async def polling(installation: Installation) -> list[Figure]:
    """Pages of 100 at the beginning, in the middle and at the end of a feed of a million rows."""
    async with installation.sender("kainuun-hva") as sender:
        headers = {"authorization": f"Bearer {await sender.token()}"}
        await _fill(installation, "kainuun-hva")
        took = {}
        for place in (0, ROWS // 2, ROWS - 100):
            took[place] = await _page_ms(sender.http, headers, place)
    first, *others = took.values()
    return [
        *(Figure(f"page of 100 events after {place:,}", ms, "ms") for place, ms in took.items()),
        Figure("slowest page beside the first", max(others) / first, "times", at_most=1.3),
    ]


async def _page_ms(http: httpx.AsyncClient, headers: dict[str, str], place: int) -> float:
    took = []
    for number in range(PAGES):
        began = time.perf_counter()
        answer = await http.get(f"{API}/events?limit=100&after={encode((place + number % 10,))}", headers=headers)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.json()["items"], answer.text
    return statistics.median(took)


async def _fill(installation: Installation, code: str) -> None:
    ports = json.loads((installation.data / "ports.json").read_text("utf-8"))
    async with AsyncMongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{ports['mongo']}/?replicaSet=rs0") as client:
        database = client["polku_referral"]
        organisation = await database["organisations"].find_one({"code": code})
        assert organisation is not None
        channel, begin = organisation["_id"], datetime.now(UTC) - timedelta(days=365)
        for start in range(1, ROWS + 1, CHUNK):
            await database["feed"].insert_many(
                [_row(channel, seq, begin + timedelta(days=365) * (seq / ROWS)) for seq in range(start, start + CHUNK)],
                ordered=False,
            )
        await database["feed_counters"].update_one({"_id": channel}, {"$set": {"seq": ROWS}}, upsert=True)


def _row(channel: str, seq: int, at: datetime) -> dict[str, Any]:
    return {
        "_id": f"bench-{seq}",
        "channel": channel,
        "seq": seq,
        "recorded_at": at,
        "type": "referral.accepted",
        "at": at,
        "referral_id": f"0197aaaa-0000-7000-8000-{seq:012}",
        "external_id": f"TE-{seq:09}",
        "state": "accepted",
        "version": 2,
        "data": {"accepted_on": "2026-03-02", "starts_on": "2026-03-09"},
    }


async def _referred(sender: Sender, number: int) -> str:
    told = await sender.push(body(f"BACK-{number}", number, seed=5, referred_on=TODAY - timedelta(days=9)))
    return str(told["id"])


async def _accept(coordinator: Colleague, referral_id: str) -> None:
    answer = await coordinator.command(f"{REFERRALS}/{referral_id}/accept", {}, 1)
    answer.raise_for_status()


async def _active(http: httpx.AsyncClient, headers: dict[str, str], webhook_id: str) -> bool:
    shown = (await http.get(f"{API}/webhooks/{webhook_id}", headers=headers)).json()
    return bool(shown["state"] == "active")
