"""Every topic twice from zero and records that nobody can read, while people work: nothing that counts changes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer

from polku_embedded.ports import Ports
from polku_embedded.simulation import present_day
from polku_embedded.supervisor import SERVICES
from polku_embedded.world.colleague import Colleague
from polku_embedded.world.sender import Sender
from polku_events.files import samples
from polku_events.listeners import LISTENERS
from tests.faults.test_crash_loop import walk
from tests.faults.test_trouble import REFERRALS, all_well, status
from tests.installation import Installation, body, until

TODAY = present_day()
FIGURES = "/indicators/api/v1/programmes/kainuu/figures"
SAYING = ("referral", "pathway", "activities")
"""The services that publish; indicators only listens."""
POISON = [("ce_type", b"polku.referral.received.v1"), ("ce_id", b"poison"), ("content-type", b"application/json")]
UNKNOWN = [("ce_type", b"polku.referral.sung.v1"), ("ce_specversion", b"1.0"), ("content-type", b"application/json")]


def commands(installation: Installation, *arguments: str) -> Any:
    done = installation.polku(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def push(sender: Sender, number: int) -> dict[str, Any]:
    return await sender.push(body(f"REPLAY-{number}", 500 + number, referred_on=TODAY - timedelta(days=50)))


async def has_come_far(colleague: Colleague, receipt: dict[str, Any]) -> bool:
    return bool((await colleague.get(f"{REFERRALS}/{receipt['id']}"))["state"] == "concluded")


@asynccontextmanager
async def people_at_work(sender: Sender, colleague: Colleague, first: int) -> AsyncIterator[list[dict[str, Any]]]:
    """Referrals come and are walked to the end, one after the other, as long as the block runs."""
    receipts: list[dict[str, Any]] = []
    enough = asyncio.Event()

    async def work() -> None:
        while not enough.is_set():
            receipts.append(await push(sender, first + len(receipts)))
            await walk(colleague, receipts[-1])

    working = asyncio.create_task(work())
    yield receipts
    enough.set()
    await working


async def outcomes(installation: Installation, outcome: str) -> dict[str, float]:
    """What the worker counted, by service."""
    counted = {}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{installation.state()['worker']}", timeout=10) as http:
        for service in SERVICES:
            lines = (await http.get(f"/{service}/metrics")).text.splitlines()
            told = [line for line in lines if line.startswith("polku_records_total{") and f'"{outcome}"' in line]
            counted[service] = sum(float(line.rsplit(" ", 1)[1]) for line in told)
    return counted


async def figures(manager: Colleague) -> dict[str, float]:
    return {figure["code"]: figure["value"] or 0 for figure in (await manager.get(FIGURES))["figures"]}


async def states(manager: Colleague, receipts: list[dict[str, Any]]) -> list[Any]:
    return [await manager.get(f"{REFERRALS}/{receipt['id']}") for receipt in receipts]


async def test_every_topic_twice_from_zero_changes_nothing(troubled: Installation) -> None:
    async with (
        troubled.sender() as sender,
        troubled.signed_in("coordinator", "replay-coordinator") as coordinator,
        troubled.signed_in("manager", "replay-manager") as manager,
    ):
        before = await figures(manager)
        settled = [await push(sender, number) for number in range(3)]
        for receipt in settled:
            await walk(coordinator, receipt)
            await until(partial(has_come_far, coordinator, receipt), 60)
        shown = await states(manager, settled)
        repeated = await outcomes(troubled, "duplicate")
        said = 0
        async with people_at_work(sender, coordinator, 10) as live:
            for service in (*SERVICES, *SAYING):
                said += (await asyncio.to_thread(commands, troubled, "republish", service))["republished"]
        for receipt in live:
            await until(partial(has_come_far, coordinator, receipt), 60)
        await until(lambda: all_well(troubled), 60)
        assert said > 0
        again = await outcomes(troubled, "duplicate")
        assert all(again[service] > repeated[service] for service in SERVICES), "nothing was delivered twice"
        assert await states(manager, settled) == shown
        now = await figures(manager)
        moved = len(settled) + len(live)
        for code in ("REFERRALS-RECEIVED", "REFERRALS-ACCEPTED", "EECO01", "EECR04"):
            assert now[code] - before[code] == moved, code
        for receipt in (*settled, *live):
            ways = await manager.get("/pathway/api/v1/pathways", case=receipt["case_code"], state="all", whose="all")
            assert [way["state"] for way in ways["items"]] == ["closed"]
    present = (await status(troubled))["services"]
    assert {name: service["dead_letters"] for name, service in present.items()} == dict.fromkeys(SERVICES, 0)
    assert (await asyncio.to_thread(commands, troubled, "rebuild"))["equal"] is True


async def test_what_cannot_be_read_is_parked_and_the_others_go_on(troubled: Installation) -> None:
    later = next(one for one in samples() if one.event_type == "polku.referral.received.v1")
    newer = [
        (name, (value or b"").replace(b":1.0", b":1.99") if name == "ce_dataschema" else value)
        for name, value in later.headers
    ]
    before = {kind: await outcomes(troubled, kind) for kind in ("dead", "skipped")}
    kafka = f"127.0.0.1:{Ports(**json.loads((troubled.data / 'ports.json').read_text())).kafka}"
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer:
        for service in SAYING:
            topic = f"polku.{service}.events"
            await producer.send_and_wait(topic, key=b"poison", value=b"\x00 no JSON", headers=POISON)
            await producer.send_and_wait(topic, key=b"poison", value=b"{}", headers=UNKNOWN)
            await producer.send_and_wait(topic, key=b"poison", value=b"\xff\xfe", headers=[("ce_type", b"\xff\xfe")])
        await producer.send_and_wait("polku.referral.events", key=b"newer", value=later.value, headers=newer)
    async with troubled.sender() as sender, troubled.signed_in("coordinator", "poison-coordinator") as coordinator:
        receipt = await push(sender, 90)
        await walk(coordinator, receipt)
        await until(lambda: has_come_far(coordinator, receipt), 60)
    await until(lambda: all_well(troubled), 60)
    parked = {service: 2 * len(LISTENERS[service]) for service in SERVICES}
    parked["referral"] += 1  # the newer event is about a referral that nobody has: no sender can be told of it
    assert less(await outcomes(troubled, "dead"), before["dead"]) == parked
    skipped = less(await outcomes(troubled, "skipped"), before["skipped"])
    assert all(skipped[service] >= len(LISTENERS[service]) for service in SERVICES)
    said = await status(troubled)
    assert {name: service["dead_letters"] for name, service in said["services"].items()} == parked
    letters = await asyncio.to_thread(commands, troubled, "dead-letters", "list", "pathway")
    assert {letter["reason"] for letter in letters} <= {"missing-header", "bad-header", "wrong-content-type"}
    redriven = await asyncio.to_thread(commands, troubled, "dead-letters", "redrive", "pathway", "--all")
    assert redriven == {"redriven": parked["pathway"]}

    async def came_back() -> bool:
        """Nothing has been mended, so they die again, once."""
        counted = less(await outcomes(troubled, "dead"), before["dead"])
        return counted["pathway"] == 2 * parked["pathway"]

    await until(came_back, 30)
    for service in SERVICES:
        letters = await asyncio.to_thread(commands, troubled, "dead-letters", "list", service)
        ids = [letter["id"] for letter in letters]
        assert len(ids) == parked[service]
        assert await asyncio.to_thread(commands, troubled, "dead-letters", "drop", service, *ids) == {
            "dropped": len(ids)
        }
    assert (await asyncio.to_thread(commands, troubled, "rebuild"))["equal"] is True


def less(now: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {service: now[service] - before[service] for service in now}
