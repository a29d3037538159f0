"""Webhooks while the worker is killed with -9 in the middle of sending: every event arrives, in order per referral."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from polku_embedded.world.colleague import Colleague
from polku_embedded.world.sender import REFERRALS, Sender
from tests.installation import Installation, body, installed, until
from tests.receiver import Message, Receiver, receiving

TODAY = date.today()  # noqa: DTZ011
API = "/referral/api/v1"
REFERRED, KILLS, SEED = 30, 2, 11


@pytest.fixture
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("webhooks")
    with installed(folder / "data", POLKU_WEBHOOK_ALLOW="127.0.0.1", POLKU_WEBHOOK_TIMEOUT="2") as running:
        yield running


async def test_killed_in_the_middle_of_deliveries(installation: Installation) -> None:
    chance = Random(SEED)

    def behave(_: Message) -> Any:
        """One in five fails at first in some way, one in five takes its time."""
        return chance.choices((204, "slow", 500, "reset"), (60, 20, 10, 10))[0]

    async with (
        receiving() as receiver,
        installation.sender() as sender,
        installation.signed_in("coordinator", "oona@example.fi") as coordinator,
    ):
        headers = {"authorization": f"Bearer {await sender.token()}"}
        webhook = await registered(sender.http, headers, receiver)
        receiver.behave = behave
        walking = asyncio.create_task(walk_all(sender, coordinator))
        for kill in range(1, KILLS + 1):
            await receiver.until(lambda kill=kill: len(receiver.taken) >= kill * 12, 120)  # type: ignore[misc]
            installation.kill("worker")
        ids = await walking
        receiver.behave = lambda _: 204
        await sender.http.post(
            f"{API}/webhooks/{webhook}/replay", json={"since": "2026-01-01T00:00:00Z"}, headers=headers
        )
        feed = await until(lambda: whole_feed(sender.http, headers, len(ids) * 3), 60)
        wanted = {item["id"] for item in feed}
        await receiver.until(lambda: {message.id for message in receiver.taken} >= wanted, 120)

        told = {message.id for message in receiver.taken}
        assert told == wanted
        assert receiver.verified >= len(receiver.taken)
        assert in_order(receiver.taken)
        attempts = (await sender.http.get(f"{API}/webhooks/{webhook}/attempts?limit=200", headers=headers)).json()
        assert {row["error"] for row in attempts["items"]} | {row["status"] for row in attempts["items"]} >= {None, 204}
        rows = installation.polku("webhooks", "list", "--json")
        assert (rows.returncode, webhook in rows.stdout) == (0, True)


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
        told = await sender.push(body(f"HOOK-{number}", number, SEED, referred_on=TODAY - timedelta(days=9)))
        address = f"{REFERRALS}/{told['id']}"
        review = {"review_on": (TODAY + timedelta(days=30)).isoformat()}
        for version, (command, wish) in enumerate((("waitlist", review), ("accept", {})), start=1):
            answer = await coordinator.command(f"{address}/{command}", wish, version)
            assert answer.status_code == httpx.codes.OK, answer.text
        ids.append(told["id"])
    return ids


async def whole_feed(http: httpx.AsyncClient, headers: dict[str, str], count: int) -> list[dict[str, Any]] | None:
    """All items of the feed once there are so many."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = (await http.get(f"{API}/events?limit=200{cursor}", headers=headers)).json()
        items += page["items"]
        cursor = f"&after={page['next']}"
        if not page["more"]:
            return items if len(items) >= count else None


def in_order(messages: list[Message]) -> bool:
    """True when no version of a referral was told for the first time before all lower ones were."""
    told: Counter[str] = Counter()
    for message in messages:
        data = message.told["data"]
        if data["version"] > told[data["referral_id"]] + 1:
            return False
        told[data["referral_id"]] = max(told[data["referral_id"]], data["version"])
    return True
