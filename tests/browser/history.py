"""A year of a project's work in some seconds, through nothing but the public surface: pages with life on them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random

from polku_embedded.simulation import (
    PATHWAYS,
    REFERRALS,
    World,
    answer_referrals,
    hold_sessions,
    present_day,
    walk_pathways,
)
from polku_embedded.world.people import person
from polku_embedded.world.sender import referral

from ..installation import Installation, until

FIRST_PERSON = 40_000
"""Far from the numbers that other tests use, so that nobody is referred twice."""


@asynccontextmanager
async def world(installation: Installation, *, prefix: str = "kansio", seed: int = 7) -> AsyncIterator[World]:
    """An authority's system, a coordinator and a coach of one project."""
    async with (
        installation.sender() as sender,
        installation.signed_in("coordinator", f"{prefix}.koordinaattori") as coordinator,
        installation.signed_in("coach", f"{prefix}.ohjaaja") as coach,
    ):
        yield World(sender, coordinator, coach, Random(seed), present_day)


async def live_through(there: World, people: int, *, steps: int = 4, sessions: int = 12) -> None:
    """Referrals come and are answered, pathways start, move and end, sessions are planned and held.

    steps: how many times each pathway moves on average. A handful of referrals is left to wait for an answer.
    """
    waiting = 4
    for number in range(people):
        # Over the last ten months, the oldest first; those who wait came lately.
        ago = 1 + number % 3 if number >= people - waiting else 300 - 270 * number // people
        body = referral(
            f"TE-{FIRST_PERSON + number}",
            person(FIRST_PERSON + number, there.random),
            present_day() - timedelta(days=ago),
            there.random,
        )
        await there.sender.push(body)
        there.pushed += 1
    while len(await waiting_now(there)) > waiting:
        await answer_referrals(there)
    accepted = len(await _items(there, REFERRALS, state="accepted"))

    async def all_opened() -> bool:
        return len(await _items(there, PATHWAYS, whose="own")) >= accepted

    await until(all_opened)
    for _ in range(accepted * steps // 3):
        await walk_pathways(there)
    # Sessions choose among people whom the activities have heard of.
    await until(lambda: _items(there, "/activities/api/v1/participants", programme="kainuu"))
    for _ in range(sessions):
        await hold_sessions(there)


async def waiting_now(there: World) -> list[dict[str, object]]:
    return await _items(there, REFERRALS, state="received")


async def _items(there: World, address: str, **query: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = (await there.coordinator.get(address, limit="100", **query))["items"]
    return found
