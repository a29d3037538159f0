"""A server that stands still, and stopping while it does: what goes on, what says so, what comes back.

SIGSTOP is the worst way to be gone: connections stay open and nobody answers.
"""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import httpx

from polku_embedded.simulation import present_day
from polku_embedded.supervisor import SERVICES
from polku_embedded.world.colleague import Colleague
from tests.installation import PASSWORD, Installation, body, until

REFERRALS, PATHWAYS = "/referral/api/v1/referrals", "/pathway/api/v1/pathways"
PAGES = ("/referral/referrals", "/pathway/pathways", "/activities/sessions")
TODAY = present_day()
SAID_S, STOPPED_S = 2.0, 25.0
SLACK_S = 2.5
"""For this test's own client on a busy machine; still less than the 5 s that the driver would wait by itself."""


@contextmanager
def standing_still(installation: Installation, child: str) -> Iterator[None]:
    installation.kill(child, signal.SIGSTOP)
    try:
        yield
    finally:
        installation.kill(child, signal.SIGCONT)


async def status(installation: Installation) -> dict[str, Any]:
    """`polku status --json`, with children and services by name."""
    said: dict[str, Any] = json.loads((await asyncio.to_thread(installation.polku, "status", "--json")).stdout)
    return {
        "phase": said["phase"],
        **{part: {one["name"]: one for one in said[part]} for part in said if part in PARTS},
    }


PARTS = ("children", "services")


async def all_well(installation: Installation) -> bool:
    now = await status(installation)
    waiting = [service for service in now["services"].values() if service["outbox_seconds"] or service["lag"]]
    return now["phase"] == "ready" and not waiting


async def ready(address: str) -> list[int]:
    async with httpx.AsyncClient(base_url=address, timeout=10) as http:
        answers = await asyncio.gather(*(http.get(f"/{service}/health/ready") for service in SERVICES))
    return [answer.status_code for answer in answers]


@asynccontextmanager
async def in_time(seconds: float) -> AsyncIterator[None]:
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took <= seconds + SLACK_S, f"took {took:.1f} s, promised were {seconds:.0f} s"


def recent(external_id: str, number: int) -> dict[str, Any]:
    return body(external_id, number, referred_on=TODAY - timedelta(days=9))


async def accept(coordinator: Colleague, receipt: dict[str, Any]) -> None:
    answer = await coordinator.command(
        f"{REFERRALS}/{receipt['id']}/accept", {"accepted_on": TODAY.isoformat()}, receipt["version"]
    )
    assert answer.status_code == httpx.codes.OK


async def has_opened(coordinator: Colleague, receipt: dict[str, Any]) -> bool:
    return bool((await coordinator.get(PATHWAYS, case=receipt["case_code"], whose="all"))["items"])


async def signed_in(colleague: Colleague, login: str) -> bool:
    """False also while a database that has just started is slow."""
    try:
        await colleague.sign_in(login, PASSWORD)
    except PermissionError:
        return False
    return True


async def test_without_kafka_intake_and_pages_go_on_and_all_arrives_afterwards(troubled: Installation) -> None:
    before = troubled.restarts()
    async with troubled.sender() as sender, troubled.signed_in("coordinator", "kafka-coordinator") as coordinator:
        sender.patience_s = coordinator.patience_s = 0
        await sender.push(recent("KAFKA-0", 10))
        with standing_still(troubled, "kafka"):
            for number in range(1, 4):
                async with in_time(SAID_S):
                    receipt = await sender.push(recent(f"KAFKA-{number}", 10 + number))
            await accept(coordinator, receipt)
            for page in PAGES:
                async with in_time(SAID_S):
                    assert (await coordinator.http.get(page)).status_code == httpx.codes.OK
            assert await ready(troubled.address) == [200, 200, 200, 200], "the web needs no broker"
            first = await status(troubled)
            second = await status(troubled)
            ages = [now["services"]["referral"]["outbox_seconds"] for now in (first, second)]
            assert 0 < ages[0] < ages[1]
            assert second["phase"] != "ready"
            assert not second["children"]["kafka"]["ready"]
            assert second["services"]["pathway"]["lag"] is None, "nobody can know it"
            assert not await has_opened(coordinator, receipt)
        coordinator.patience_s = 30
        await until(lambda: has_opened(coordinator, receipt), 60)
        await until(lambda: all_well(troubled), 60)
    assert troubled.restarts() == before, "an outage of the broker is no reason to start anything again"


async def test_without_mongodb_callers_hear_503_in_time_and_all_goes_on_afterwards(troubled: Installation) -> None:
    worker = f"http://127.0.0.1:{troubled.state()['worker']}"
    before = troubled.restarts()
    async with troubled.sender() as sender, troubled.signed_in("coordinator", "mongo-coordinator") as coordinator:
        receipt = await sender.push(recent("MONGO-0", 20))
        bearer = {"authorization": f"Bearer {await sender.token()}"}
        with standing_still(troubled, "mongod"):
            for number in range(1, 3):
                async with in_time(SAID_S):
                    refused = await sender.http.post(REFERRALS, json=recent(f"MONGO-{number}", 20), headers=bearer)
                assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
                assert int(refused.headers["retry-after"]) >= 1
                assert refused.headers["content-type"] == "application/problem+json"
            pages = (*PAGES, "/indicators/programmes/kainuu")
            async with in_time(SAID_S):
                html = {"accept": "text/html"}
                answers = await asyncio.gather(*(coordinator.http.get(page, headers=html) for page in pages))
            for page, shown in zip(pages, answers, strict=True):
                assert shown.status_code == httpx.codes.SERVICE_UNAVAILABLE, page
                assert "retry-after" in shown.headers
            assert await asyncio.gather(ready(troubled.address), ready(worker)) == [[503] * 4] * 2
        again = await sender.push(recent("MONGO-1", 20))
        assert again["id"] != receipt["id"]
        await accept(coordinator, again)
        await until(lambda: has_opened(coordinator, again), 60)
        await until(lambda: all_well(troubled), 60)
    assert troubled.restarts() == before, "an outage of the database is no reason to start anything again"


async def test_the_worker_stops_in_time_while_the_broker_stands_still(troubled: Installation) -> None:
    pid = troubled.state()["children"]["worker"]["pid"]
    async with troubled.sender() as sender:
        with standing_still(troubled, "kafka"):
            await sender.push(recent("STOP-1", 30))
            await asyncio.sleep(1)  # the relay waits for the broker now
            troubled.kill("worker", signal.SIGTERM)

            async def ended() -> bool:
                return bool(troubled.state()["children"]["worker"]["pid"] != pid)

            async with in_time(STOPPED_S):
                await until(ended, STOPPED_S + 5)
    await until(lambda: all_well(troubled), 60)


async def test_everything_stops_in_time_with_an_open_page_and_comes_back_as_it_was(troubled: Installation) -> None:
    async with troubled.sender() as sender, troubled.signed_in("coordinator", "open-coordinator") as coordinator:
        receipt = await sender.push(recent("OPEN-1", 40))
        async with coordinator.http.stream("GET", "/referral/live", timeout=60) as live:
            assert live.status_code == httpx.codes.OK
            lines = live.aiter_lines()
            await anext(lines)
            async with in_time(STOPPED_S):
                stopped = await asyncio.to_thread(troubled.polku, "down")
            assert stopped.returncode == 0, stopped.stderr
    said = (troubled.data / "logs" / "polku.log").read_text("utf-8")
    assert "is killed" not in said
    started = await asyncio.to_thread(troubled.polku, "up", "--detach")
    assert started.returncode == 0, started.stderr
    async with httpx.AsyncClient(base_url=troubled.address, timeout=10) as http:
        back = Colleague(http)
        await until(lambda: signed_in(back, "open-coordinator"))
        kept = await back.get(f"{REFERRALS}/{receipt['id']}")
        assert kept["external_id"] == "OPEN-1"
