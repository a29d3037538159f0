"""One sender that asks twenty times what it may: it hears 429, and the others hardly notice."""

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path

from polku_embedded.world.sender import Sender
from tests.installation import ROOT, Installation, body, installed, together

ALLOWED, NOISE = 20, 20
"""Requests a second that a client may make, and how many times as many the noisy one makes."""
CALM_RATE, SECONDS = 12, 6
ROUNDS = 3
"""At most; what a busy machine does once must not decide, so rounds are added up until the answer is clear."""
NOTHING_S = 0.06
"""A p99 below this is good whatever it was before: on a quiet machine twice nothing is still nothing."""


async def test_a_noisy_sender_hardly_slows_the_others(tmp_path: Path) -> None:
    limits = {"POLKU_RATE_REQUESTS": str(ALLOWED), "POLKU_RATE_AT_ONCE": "4"}
    with installed(tmp_path / "data", **limits) as installation:
        async with together(installation.sender(), installation.sender("kainuun-hva")) as (noisy, calm):
            quiet: list[float] = []
            loud: list[float] = []
            for number in range(ROUNDS):
                took, statuses = await beside(installation, calm, noisy, ALLOWED // 2, number)
                quiet += took
                assert set(statuses) == {201}
                took, statuses = await beside(installation, calm, noisy, ALLOWED * NOISE, number)
                loud += took
                assert set(statuses) <= {201, 429}
                assert statuses[429] > statuses[201] > 0  # a quick machine refuses nineteen of twenty
                if hardly_slower(quiet, loud):
                    break
    assert hardly_slower(quiet, loud), (
        f"p99 {1000 * p99(quiet):.0f} ms beside a sender that keeps its rate, "
        f"{1000 * p99(loud):.0f} ms beside one that does not"
    )


def hardly_slower(quiet: list[float], loud: list[float]) -> bool:
    return p99(loud) <= max(2 * p99(quiet), NOTHING_S)


def p99(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[98]


async def beside(
    installation: Installation, calm: Sender, other: Sender, heard: int, number: int
) -> tuple[list[float], dict[int, int]]:
    """What each post of the calm sender took while the other one posts at a pace, and what that one was answered.

    heard: how many a second of the noise are posted to the service; the rest is made all the same.
    """
    name = f"{number}-{heard}"
    async with asyncio.TaskGroup() as group:
        posting = group.create_task(make_noise(installation, other, heard, name))
        took = await calm_posts(calm, f"BESIDE-{name}")
    return took, posting.result()


async def calm_posts(sender: Sender, name: str) -> list[float]:
    """Seconds, of referrals posted at a steady pace."""
    took: list[float] = []

    async def one(number: int) -> None:
        await asyncio.sleep(number / CALM_RATE)
        began = time.perf_counter()
        await sender.push(body(f"{name}-{number}", number))
        took.append(time.perf_counter() - began)

    await sender.token()
    async with asyncio.TaskGroup() as group:
        for number in range(CALM_RATE * SECONDS):
            group.create_task(one(number))
    return took


async def make_noise(installation: Installation, sender: Sender, heard: int, name: str) -> dict[int, int]:
    """Posts from another process; how often the service answered with each status."""
    wished = (installation.address, await sender.token(), *map(str, (ALLOWED * NOISE, heard, SECONDS)), name)
    noise = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.noise", *wished, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await noise.communicate()
    return {int(status): count for status, count in json.loads(said).items()}
