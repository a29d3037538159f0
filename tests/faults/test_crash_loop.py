"""Referrals pushed and walked to the end while everything is killed with -9: nothing lost, nothing doubled.

At the end, after a time without faults: every receipt stands exactly once in every service, the figures say
the same number, the rebuild equals the live view, and there are no dead letters. A run proves nothing without a
restart of each process and a record that was delivered twice, so it goes on until it has met both.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from polku_embedded.simulation import present_day
from polku_embedded.supervisor import SERVICES
from polku_embedded.world.colleague import Colleague
from polku_embedded.world.sender import Sender
from tests.faults.nemesis import CHILDREN, Nemesis, Witness
from tests.installation import Installation, body, installed, together, until

TODAY = present_day()
REFERRALS, PATHWAYS = "/referral/api/v1/referrals", "/pathway/api/v1/pathways"
WALKERS, PATIENCE_S, QUIET_S = 8, 120.0, 120.0
TRICKLE_S = 1.0
"""Between referrals that come only because the run has not yet met what it must meet."""


@dataclass(frozen=True)
class Size:
    """rate: referrals a second; least: kills of each child; pause_s: between a kill and the next."""

    referrals: int
    rate: float
    least: int
    seed: int
    pause_s: tuple[float, float] = (2.0, 5.0)


def day(ago: int) -> str:
    return (TODAY - timedelta(days=ago)).isoformat()


async def walk(colleague: Colleague, receipt: dict[str, Any]) -> None:
    """Accept, start, end; each asked for again when its answer was lost, and done once."""
    address = f"{REFERRALS}/{receipt['id']}"

    async def accepted() -> bool:
        now = await colleague.get(address)
        if now["state"] == "received":
            await colleague.command(f"{address}/accept", {"accepted_on": day(40)}, now["version"])
        return now["state"] == "accepted"

    async def pathway() -> dict[str, Any] | None:
        found = await colleague.get(PATHWAYS, case=receipt["case_code"], state="all", whose="all")
        return found["items"][0] if found["items"] else None

    await until(accepted, PATIENCE_S)
    opened = await until(pathway, PATIENCE_S)
    way = f"{PATHWAYS}/{opened['id']}"
    entry = {"started_on": day(30), "employment_status": "unemployed", "education": 3, "gender": "man"}

    async def started() -> bool:
        now = await colleague.get(way)
        if now["entry"] is None:
            await colleague.command(f"{way}/start", {**entry, "since": "2024-01-01"}, now["version"])
        return now["entry"] is not None

    async def ended() -> bool:
        now = await colleague.get(way)
        if now["state"] == "open":
            leaving = {"ended_on": day(3), "reason": "work", "employment_status": "employed"}
            await colleague.command(f"{way}/end", leaving, now["version"])
        return now["state"] != "open"

    await until(started, PATIENCE_S)
    await until(ended, PATIENCE_S)


async def load(size: Size, nemesis: Nemesis, witness: Witness, sender: Sender, colleague: Colleague) -> dict[str, str]:
    """External id → referral id of everything that got a receipt. Goes on until the nemesis has had its fill and the
    witness has seen a record twice; the nemesis kills no longer than that.
    """
    killing = asyncio.create_task(nemesis.run())
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    receipts: dict[str, str] = {}

    async def push(number: int) -> None:
        external_id = f"CRASH-{size.seed}-{number}"
        receipt = await sender.push(body(external_id, number, size.seed, referred_on=TODAY - timedelta(days=50)))
        receipts[external_id] = receipt["id"]
        await queue.put(receipt)

    async def walker() -> None:
        while True:
            receipt = await queue.get()
            await walk(colleague, receipt)
            queue.task_done()

    walkers = [asyncio.create_task(walker()) for _ in range(WALKERS)]
    pushing: set[asyncio.Task[None]] = set()
    number = 0
    while number < size.referrals or not (nemesis.satisfied and witness.duplicates):
        pushing.add(asyncio.create_task(push(number)))
        number += 1
        await asyncio.sleep(1 / size.rate if number < size.referrals else TRICKLE_S)
    killing.cancel()
    await asyncio.gather(*pushing)
    finished = asyncio.create_task(queue.join())
    await asyncio.wait([finished, *walkers], return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S * 3)
    for one in walkers:
        if one.done():
            one.result()
        one.cancel()
    assert finished.done(), "not everybody was walked to the end in time"
    return receipts


async def everything(colleague: Colleague, address: str, **query: Any) -> AsyncIterator[dict[str, Any]]:
    """Every row of a list, page by page."""
    after: dict[str, str] = {}
    while True:
        page = await colleague.get(address, limit=200, **query, **after)
        for row in page.get("items") or page.get("members") or ():
            yield row
        if page["next"] is None:
            return
        after = {"after": page["next"]}


async def check(installation: Installation, manager: Colleague, receipts: dict[str, str], seed: int) -> None:
    async def all_concluded() -> bool:
        rows = [row async for row in everything(manager, REFERRALS)]
        return all(row["state"] == "concluded" for row in rows)

    async def all_counted() -> bool:
        said = await manager.get("/indicators/api/v1/programmes/kainuu/figures")
        values = {figure["code"]: figure["value"] for figure in said["figures"]}
        return values["EECR04"] == values["EECO01"] == values["REFERRALS-RECEIVED"] == len(receipts)

    await until(all_concluded, QUIET_S)
    await until(all_counted, QUIET_S)
    kept = Counter([row["external_id"] async for row in everything(manager, REFERRALS)])
    assert kept == Counter(list(receipts)), f"seed {seed}: a referral was lost or doubled"
    pathways = [row async for row in everything(manager, PATHWAYS, state="all", whose="all")]
    assert Counter(row["state"] for row in pathways) == {"closed": len(receipts)}
    members = [
        row["case_code"]
        async for row in everything(manager, "/indicators/api/v1/programmes/kainuu/figures/EECO01/members")
    ]
    assert Counter(members) == Counter(row["case_code"] for row in pathways)
    *dead, rebuilt = await asyncio.gather(
        *(asyncio.to_thread(installation.polku, "dead-letters", "list", service, "--json") for service in SERVICES),
        asyncio.to_thread(installation.polku, "rebuild", "--json"),
    )
    for service, letters in zip(SERVICES, dead, strict=True):
        assert json.loads(letters.stdout) == [], f"seed {seed}: dead letters in {service}"
    assert rebuilt.returncode == 0, f"seed {seed}: the rebuild is not what is live: {rebuilt.stdout}"


async def crash_loop(data: Path, size: Size) -> None:
    with installed(data) as installation:
        async with together(
            installation.sender(),
            installation.signed_in("coordinator", "crash-coordinator"),
            installation.signed_in("manager", "crash-manager"),
        ) as (sender, coordinator, manager):
            sender.patience_s = coordinator.patience_s = manager.patience_s = PATIENCE_S
            nemesis = Nemesis(installation, Random(size.seed), size.least, size.pause_s)
            witness = Witness(installation)
            watching = asyncio.create_task(witness.run())
            receipts = await load(size, nemesis, witness, sender, coordinator)
            restarts = installation.restarts()
            await check(installation, manager, receipts, size.seed)
            watching.cancel()
    assert len(receipts) >= size.referrals
    assert all(nemesis.kills[child] >= size.least for child in CHILDREN), nemesis.kills
    assert all(restarts[child] >= 1 for child in CHILDREN), restarts
    assert witness.duplicates > 0, "no record was delivered twice: the run proves nothing"


@pytest.mark.timeout(600)
async def test_a_short_crash_loop(tmp_path: Path) -> None:
    """Every process dies once at least while referrals come, people work and records are on their way."""
    await crash_loop(tmp_path / "data", Size(referrals=60, rate=4, least=1, seed=20261124, pause_s=(0.5, 1.5)))


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_a_long_crash_loop(tmp_path: Path) -> None:
    """Each dies five times at least, and kills overlap."""
    await crash_loop(tmp_path / "data", Size(referrals=2000, rate=8, least=5, seed=7))
