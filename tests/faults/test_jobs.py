"""A large batch while the API and the worker are killed with -9: it goes on, each row is taken in once, and each is
told as created by the job that created it. And beside a large batch single posts are answered as ever.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from polku_embedded.world.colleague import Colleague
from polku_embedded.world.sender import REFERRALS, Sender
from tests.installation import Installation, body, installed, until

BATCH, API = f"{REFERRALS}/batch", "/referral/api/v1"
KILLS = (("worker",), ("worker", "web"))
MORE_KILLS = (("worker",), ("web",), ("worker", "web"), ("worker",))
"""What is killed, one after the other, each when the job has come a sixth further: some of it is left then."""
Kills = Sequence[Sequence[str]]
SINGLE_RATE, SLOWEST_S = 10, 2.0
"""Single posts a second, and when one of them would have been refused as unavailable."""


async def send(sender: Sender, rows: int, name: str, first: int = 0) -> dict[str, Any]:
    """The job that a batch of so many new people's referrals became."""
    sent = b"\n".join(
        json.dumps(body(f"{name}-{number}", first + number), ensure_ascii=False).encode() for number in range(rows)
    )
    headers = {"authorization": f"Bearer {await sender.token()}", "content-type": "application/x-ndjson"}
    answer = await sender.http.post(
        f"{BATCH}", content=sent, headers={**headers, "prefer": "respond-async"}, timeout=60
    )
    assert answer.status_code == 202, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def ask(sender: Sender, address: str) -> dict[str, Any] | None:
    """None while nobody answers."""
    try:
        answer = await sender.http.get(address, headers={"authorization": f"Bearer {await sender.token()}"})
    except httpx.TransportError:
        return None
    if answer.status_code != 200:
        return None
    shown: dict[str, Any] = answer.json()
    return shown


async def results(sender: Sender, job: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    address = f"{API}/jobs/{job['id']}/results?limit=200"
    after = ""
    while True:
        page = await until(partial(ask, sender, address + after))
        rows += page["items"]
        if page["next"] is None:
            return rows
        after = f"&after={page['next']}"


async def killed_in_the_middle(
    installation: Installation, sender: Sender, job: dict[str, Any], kills: Kills, seconds: float
) -> None:
    """Kills one after the other while the job goes on, and waits for its end."""
    left, before = list(kills), 0

    async def ended() -> bool:
        nonlocal before
        now = await ask(sender, f"{API}/jobs/{job['id']}")
        if now is None:
            return False
        assert now["done"] >= before, "what was done is not done any more"
        before = now["done"]
        if left and now["done"] >= job["total"] * (len(kills) - len(left) + 1) / 6:
            for child in left.pop(0):
                installation.kill(child)
        return bool(now["state"] == "done")

    await until(ended, seconds)
    assert not left, f"not killed: {left}"


async def counted(manager: Colleague) -> int:
    said = await manager.get("/indicators/api/v1/programmes/kainuu/figures")
    return next(int(figure["value"]) for figure in said["figures"] if figure["code"] == "REFERRALS-RECEIVED")


async def listed(manager: Colleague) -> Counter[str]:
    """How often each external id of the job is there."""
    found: Counter[str] = Counter()
    after: dict[str, str] = {}
    while True:
        page = await manager.get(REFERRALS, limit=200, **after)
        found.update(row["external_id"] for row in page["items"] if row["external_id"].startswith("JOB-"))
        if page["next"] is None:
            return found
        after = {"after": page["next"]}


async def a_job_survives(installation: Installation, kills: Kills, rows: int, seconds: float) -> None:
    async with installation.sender() as sender, installation.signed_in("manager", "jobs-manager") as manager:
        sender.patience_s = manager.patience_s = seconds
        counted_before, restarts_before = await counted(manager), installation.restarts()
        job = await send(sender, rows, "JOB")
        await killed_in_the_middle(installation, sender, job, kills, seconds)
        told = await results(sender, job)
        assert [row["row"] for row in told] == list(range(1, rows + 1))
        assert Counter(row["status"] for row in told) == {"created": rows}
        assert len({row["id"] for row in told}) == len({row["receipt"] for row in told}) == rows
        assert await listed(manager) == Counter(f"JOB-{number}" for number in range(rows))

        async def all_are_counted() -> bool:
            return await counted(manager) == counted_before + rows

        await until(all_are_counted, seconds)
        killed = Counter(child for children in kills for child in children)
        assert installation.restarts() - restarts_before >= killed


@pytest.mark.timeout(300)
async def test_a_job_survives_its_processes(troubled: Installation) -> None:
    await a_job_survives(troubled, KILLS, rows=1_000, seconds=120)


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_a_large_job_survives_its_processes(tmp_path: Path) -> None:
    with installed(tmp_path / "data") as installation:
        await a_job_survives(installation, MORE_KILLS, rows=10_000, seconds=600)


async def test_single_posts_do_not_wait_for_a_job(troubled: Installation) -> None:
    async with troubled.sender() as large, troubled.sender("kainuun-hva") as single:
        job = await send(large, 1_000, "LARGE", first=100_000)
        took: list[float] = []
        await single.token()
        while (await until(lambda: ask(large, f"{API}/jobs/{job['id']}")))["state"] != "done":
            for _ in range(SINGLE_RATE):
                began = time.perf_counter()
                await single.push(body(f"SINGLE-{len(took)}", 200_000 + len(took)))
                took.append(time.perf_counter() - began)
                await asyncio.sleep(1 / SINGLE_RATE)
    assert len(took) > SINGLE_RATE, "the job was done before anything was posted beside it"
    assert max(took) < SLOWEST_S, f"a post took {max(took):.2f} s"
