"""`python -m polku_embedded.simulation`: life in the demo, through nothing but the public surface.

An authority's system pushes artificial referrals; a coordinator answers them, starts pathways, moves and ends
them; a coach holds sessions. Fast at first, so that the pages fill while somebody watches, then calmly.
"""

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx

from polku_embedded.world.colleague import Colleague
from polku_embedded.world.people import person
from polku_embedded.world.sender import Sender, referral
from polku_runtime import logs
from polku_runtime.trouble import name_of
from polku_web.formats import HELSINKI

QUICK, FULL = 60, 150
"""Referrals that come quickly at first; how many come in all before it gets quiet."""
QUICK_S, STEADY_S, QUIET_S = 0.7, 6.0, 60.0
HISTORY_DAYS = 330
SEVERAL = 3
PATHWAYS, REFERRALS, SESSIONS = "/pathway/api/v1/pathways", "/referral/api/v1/referrals", "/activities/api/v1/sessions"

# How people come in: towards the programme's own targets, with a few whose data are not complete yet.
ENTRY_STATUS = (("unemployed", 72), ("inactive", 16), ("student", 3), ("employed", 4), (None, 5))
LEAVING: Mapping[str | None, tuple[tuple[dict[str, Any], int], ...]] = {
    "unemployed": (
        ({"reason": "work", "employment_status": "employed"}, 14),
        ({"reason": "education", "employment_status": "student", "in_education": True}, 16),
        ({"reason": "qualification", "employment_status": "unemployed", "qualification": True}, 10),
        ({"reason": "other-service", "employment_status": "unemployed"}, 40),
        ({"reason": "withdrew", "employment_status": "unemployed"}, 20),
    ),
    "inactive": (
        ({"reason": "other-service", "employment_status": "unemployed"}, 55),
        ({"reason": "education", "employment_status": "student", "in_education": True}, 15),
        ({"reason": "health", "employment_status": "inactive"}, 30),
    ),
}
OTHERS = (({"reason": "other", "employment_status": "employed"}, 1),)

log = logging.getLogger(__name__)


@dataclass
class World:
    """today: a day, from the machine's clock. pushed: how many referrals have gone out since the start."""

    sender: Sender
    coordinator: Colleague
    coach: Colleague
    random: Random
    today: Callable[[], date]
    pushed: int = 0

    def pick(self, weighted: tuple[tuple[Any, int], ...]) -> Any:
        values, weights = zip(*weighted, strict=True)
        return self.random.choices(values, weights)[0]

    def later(self, day: str, least: int, most: int) -> str:
        """A day some days after another, never in the future."""
        wanted = date.fromisoformat(day) + timedelta(days=self.random.randrange(least, most))
        return min(wanted, self.today()).isoformat()


async def push(world: World) -> float:
    """One referral; answers how long the authority then waits."""
    ago = world.random.randrange(3, HISTORY_DAYS)
    number = world.random.randrange(2_000_000)
    body = referral(f"TE-{number:07}", person(number, world.random), world.today() - timedelta(days=ago), world.random)
    await world.sender.push(body)
    world.pushed += 1
    return QUICK_S if world.pushed < QUICK else STEADY_S if world.pushed < FULL else QUIET_S


async def answer_referrals(world: World) -> float:
    """The inbox: most are accepted; a few wait a little, so that there is always something to see."""
    waiting = (await world.coordinator.get(REFERRALS, state="received", limit=20))["items"]
    for one in waiting[: max(0, len(waiting) - SEVERAL)]:
        address = f"{REFERRALS}/{one['id']}"
        if world.random.random() < 0.12:
            reason = world.random.choice(("no-capacity", "not-reached", "another-service-fits"))
            await world.coordinator.command(f"{address}/decline", {"reason": reason}, one["version"])
        else:
            accepted = world.later(one["referred_on"], 2, 15)
            await world.coordinator.command(f"{address}/accept", {"accepted_on": accepted}, one["version"])
    return 2.0


async def walk_pathways(world: World) -> float:
    """A few people take their next step: start, another stage, the end."""
    found = (await world.coordinator.get(PATHWAYS, whose="own", limit=100))["items"]
    for one in world.random.sample(found, min(SEVERAL, len(found))):
        address = f"{PATHWAYS}/{one['id']}"
        if one["stage"] == "waiting":
            await world.coordinator.command(f"{address}/start", _entry(world, one), one["version"])
        elif world.random.random() < (0.25 if one["stage"] == "activity" else 0.05):
            detail = await world.coordinator.get(address)
            status = (detail["entry"] or {}).get("employment_status")
            leaving = {**world.pick(LEAVING.get(status, OTHERS)), "ended_on": world.later(one["stage_since"], 30, 150)}
            await world.coordinator.command(f"{address}/end", leaving, one["version"])
        else:
            to = {"assessment": "activity", "activity": "moving-on", "moving-on": "activity"}[one["stage"]]
            step = {"to_stage": to, "on": world.later(one["stage_since"], 10, 40)}
            await world.coordinator.command(f"{address}/stage", step, one["version"])
    return 1.5


async def hold_sessions(world: World) -> float:
    """A session of last weeks is recorded, and now and then one is planned for the days to come."""
    people = (await world.coach.get("/activities/api/v1/participants", programme="kainuu"))["items"]
    if len(people) < SEVERAL:
        return 3.0
    ahead = world.random.random() < 0.25
    day = world.today() + timedelta(days=world.random.randrange(1, 8) if ahead else -world.random.randrange(0, 28))
    group = world.random.random() < 0.7
    chosen = world.random.sample(people, min(len(people), world.random.randrange(3, 9)) if group else 1)
    kinds = ("work-activity", "group-activity", "training") if group else ("individual-coaching", "nepsy-coaching")
    plan = {
        "programme": "kainuu",
        "activity": world.random.choice(kinds),
        "starts_at": f"{day.isoformat()}T0{world.random.randrange(6, 10)}:00:00Z",
        "minutes": world.random.choice((60, 90, 120, 180)),
        "group": group,
        "place": world.random.choice(("Työpaja", "Ryhmätila 2", "Vimpelin halli", "Kirjasto")),
        "pathway_ids": [one["pathway_id"] for one in chosen],
    }
    session = (await world.coach.command(SESSIONS, plan)).json()
    if not ahead and "id" in session:
        marks = {one["pathway_id"]: _attendance(world) for one in chosen}
        held = {"held_on": day.isoformat(), "minutes": plan["minutes"], "marks": marks}
        await world.coach.command(f"{SESSIONS}/{session['id']}/hold", held, session["version"])
    return 4.0


def _entry(world: World, pathway: Mapping[str, Any]) -> dict[str, Any]:
    status = world.pick(ENTRY_STATUS)
    started = world.later(pathway["opened_on"], 1, 14)
    since = date.fromisoformat(started) - timedelta(days=world.random.randrange(40, 1400))
    known = status is not None
    return {
        "started_on": started,
        **({"employment_status": status, "since": since.isoformat()} if known else {}),
        **({"education": world.pick(((2, 35), (3, 50), (6, 10), (7, 5)))} if known else {}),
        "gender": world.pick((("woman", 44), ("man", 52), ("non-binary", 2), ("not-stated", 2))),
        "municipality": world.random.choice(("205", "765", "290", "777")),
    }


def _attendance(world: World) -> dict[str, Any]:
    attendance = world.pick((("present", 80), ("late", 6), ("absent-excused", 9), ("absent-unexcused", 5)))
    reason = world.random.choice(("illness", "other-appointment")) if attendance == "absent-excused" else None
    return {"attendance": attendance, "reason": reason}


async def live(world: World) -> None:
    """Everybody works at once, each at an own pace, for ever."""
    async with asyncio.TaskGroup() as group:
        for work in (push, answer_referrals, walk_pathways, hold_sessions):
            group.create_task(_again_and_again(world, work))


async def _again_and_again(world: World, work: Callable[[World], Awaitable[float]]) -> None:
    while True:
        try:
            pause = await work(world)
        except (httpx.HTTPError, TimeoutError, KeyError) as error:
            # The demo's people are patient; whoever runs it may be stopping things on purpose.
            log.warning("tried in vain", extra={"error": name_of(error)})
            pause = 2.0
        await asyncio.sleep(pause * world.random.uniform(0.6, 1.4))


async def main() -> None:
    logs.configure("simulation", "INFO")
    folder = Path(os.environ["POLKU_DATA"])
    demo = json.loads((folder / "demo.json").read_text("utf-8"))
    base = os.environ["POLKU_BASE_URL"]
    async with (
        httpx.AsyncClient(base_url=base, timeout=10) as authority,
        httpx.AsyncClient(base_url=base, timeout=10) as first,
        httpx.AsyncClient(base_url=base, timeout=10) as second,
    ):
        coordinator, coach = Colleague(first), Colleague(second)
        await coordinator.sign_in(*demo["coordinator"])
        await coach.sign_in(*demo["coach"])
        await live(World(Sender(demo["client"], authority), coordinator, coach, Random(), present_day))


def present_day() -> date:
    return datetime.now(HELSINKI).date()


if __name__ == "__main__":
    asyncio.run(main())
