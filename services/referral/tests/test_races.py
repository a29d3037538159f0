"""Two who act on one referral at the same moment, over a real MongoDB: one truth, and both sides see it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from polku_events.pathway import PathwayClosed
from polku_referral import consumer
from polku_referral.desk import Desk
from polku_referral.model import clocks
from polku_runtime.aggregates import LostRace

from .conftest import Person, Sender, SignIn, event
from .material import API, COORDINATOR, body

ROUNDS = 200
AT_ONCE = 4
PATIENCE = 30.0
"""Seconds for MongoDB instead of two: what is asked here is who wins, not how fast, and the machine may be busy."""


@pytest.fixture
async def me(sign_in: SignIn) -> Person:
    made: Person = await sign_in(COORDINATOR)
    await made.get(f"{API}/referrals")
    return made


@pytest.fixture(autouse=True)
def patient(app: FastAPI) -> None:
    [edge] = app.user_middleware
    edge.kwargs["database_seconds"] = PATIENCE


async def many(sender: Sender, count: int) -> list[str]:
    """So many referrals of one person."""
    ids: list[str] = []
    for first in range(0, count, 20):
        posts = await asyncio.gather(*(posted(sender, f"R-{first + number}") for number in range(20)))
        ids += [answer.json()["id"] for answer in posts]
    return ids


async def posted(sender: Sender, external_id: str) -> httpx.Response:
    """As a sender's system does: sent again when the service was too busy to answer."""
    while (answer := await sender.post(body(external_id))).status_code == 503:
        pass
    return answer


async def told(desk: Desk, referral_id: str) -> list[str]:
    row = await desk.repository.database["referrals"].find_one({"_id": referral_id})
    assert row is not None
    return [event["type"].removeprefix("polku.referral.").removesuffix(".v1") for event in row["outbox"]]


async def ends_alike(desk: Desk, sender: Sender, me: Person, at: str, ends: tuple[str, str]) -> str:
    """The one state that both sides see, that the history says and that the one event said."""
    theirs, ours = (await sender.get(f"/referrals/{at}")).json(), (await me.get(f"{API}/referrals/{at}")).json()
    state: str = theirs["state"]
    assert state in ends
    assert (theirs["state"], theirs["version"]) == (ours["state"], ours["version"]) == (state, 2)
    assert [step["kind"] for step in theirs["history"]] == ["received", state] == await told(desk, at)
    return state


async def test_accept_against_withdraw(sender: Sender, me: Person, desk: Desk) -> None:
    ids, won = await many(sender, ROUNDS), Counter[str]()
    gate = asyncio.Semaphore(AT_ONCE)
    wish = {"reason": "person-declined", "text": "Ei halua."}

    async def one(number: int, at: str) -> None:
        async with gate:
            moves = [me.command(f"/referrals/{at}/accept", {}, 1), sender.command(at, "withdraw", wish, 1)]
            # Who is let go first takes turns: else the one would nearly always win.
            answers = await asyncio.gather(*(moves if number % 2 else reversed(moves)))
            accepted, withdrawn = answers if number % 2 else reversed(answers)
            state = await ends_alike(desk, sender, me, at, ("accepted", "withdrawn"))
        winner, loser = (accepted, withdrawn) if state == "accepted" else (withdrawn, accepted)
        assert (winner.status_code, winner.json()["state"]) == (200, state)
        assert (loser.status_code, loser.json()["code"]) == (409, "lost-race")
        present = loser.json()["present"]
        assert (present["state"], present["version"]) == (state, 2)
        won[state] += 1

    await asyncio.gather(*(one(number, at) for number, at in enumerate(ids)))
    assert sum(won.values()) == ROUNDS
    assert min(won["accepted"], won["withdrawn"]) > ROUNDS // 100, won  # else it was no race


async def test_accept_against_expire(sender: Sender, me: Person, desk: Desk) -> None:
    """The clock saves through the repository, as the worker's does."""
    ids, won = await many(sender, ROUNDS), Counter[str]()
    gate = asyncio.Semaphore(AT_ONCE)

    async def expire(at: str) -> bool:
        kept = await desk.repository.get(at, {})
        assert kept is not None
        if kept.referral.state != "received":
            return False
        try:
            decided = clocks.expire(kept.referral, on=desk.today, at=desk.effects.now())
            await desk.repository.save(kept.referral, *decided, {})
        except LostRace:
            return False
        return True

    async def one(number: int, at: str) -> None:
        async with gate:
            accepting = me.command(f"/referrals/{at}/accept", {}, 1)
            # The request has a longer way to the database than the clock: it gets a start, longer and longer.
            accepted, expired = await asyncio.gather(accepting, _after(number % 20, expire, at))
            state = await ends_alike(desk, sender, me, at, ("accepted", "expired"))
        assert expired == (state == "expired")
        if expired:
            assert (accepted.status_code, accepted.json()["code"]) == (409, "lost-race")
            assert accepted.json()["present"]["state"] == "expired"
        else:
            assert (accepted.status_code, accepted.json()["state"]) == (200, "accepted")
        won[state] += 1

    await asyncio.gather(*(one(number, at) for number, at in enumerate(ids)))
    assert sum(won.values()) == ROUNDS
    assert min(won["accepted"], won["expired"]) > ROUNDS // 100, won


async def _after(turns: int, work: Callable[[str], Awaitable[bool]], at: str) -> bool:
    for _ in range(turns * 4):
        await asyncio.sleep(0)  # a turn of the loop, not a time
    return await work(at)


async def test_everybody_at_once(sender: Sender, me: Person, desk: Desk) -> None:
    """All that can be done with a waiting referral, at the same moment: one of them is done."""
    ids = await many(sender, 20)

    async def one(at: str) -> None:
        wishes: list[tuple[str, dict[str, Any]]] = [
            ("accept", {}),
            ("decline", {"reason": "no-capacity"}),
            ("ask", {"text": "?"}),
            ("waitlist", {"review_on": "2026-04-01"}),
            ("forward", {"partner": "kainuu-hyvinvointi"}),
        ]
        own: list[tuple[str, dict[str, Any]]] = [
            ("withdraw", {"reason": "sent-in-error"}),
            ("correct-contact", {"phone": None}),
        ]
        answers = await asyncio.gather(
            *(me.command(f"/referrals/{at}/{name}", wish, 1) for name, wish in wishes),
            *(sender.command(at, name, wish, 1) for name, wish in own),
        )
        assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 6}
        [done] = [answer.json() for answer in answers if answer.status_code == 200]
        present = {
            (a.json()["present"]["state"], a.json()["present"]["version"]) for a in answers if a.status_code == 409
        }
        assert present == {(done["state"], 2)}
        assert len(await told(desk, at)) == 2

    await asyncio.gather(*map(one, ids))


async def test_conclude_against_confirming_the_withdrawal(sender: Sender, me: Person, desk: Desk) -> None:
    """The pathway ends while the project gives the referral back: one end, and the other hears that it came late."""
    ids = await many(sender, 40)
    conclude, won = consumer.conclude(desk.repository), Counter[str]()

    async def one(at: str) -> None:
        assert (await me.command(f"/referrals/{at}/accept", {}, 1)).status_code == 200
        assert (await sender.command(at, "request-withdrawal", {"reason": "person-declined"}, 2)).status_code == 200
        ended = event(closed(at))
        outcome, given_back = await asyncio.gather(
            conclude(ended), me.command(f"/referrals/{at}/confirm-withdrawal", {}, 3)
        )
        shown = (await sender.get(f"/referrals/{at}")).json()
        events = await told(desk, at)
        assert events[:3] == ["received", "accepted", "withdrawal-requested"]
        if given_back.status_code == 200:
            assert (outcome.value, shown["state"], events[3:]) == ("duplicate", "withdrawn", ["withdrawn"])
        else:
            assert given_back.json()["present"]["state"] == "concluded"
            assert (outcome.value, shown["state"], events[3:]) == ("applied", "concluded", ["concluded"])
        won[shown["state"]] += 1

    for first in range(0, len(ids), AT_ONCE):
        await asyncio.gather(*map(one, ids[first : first + AT_ONCE]))
    assert sum(won.values()) == len(ids)


def closed(referral_id: str) -> PathwayClosed:
    return PathwayClosed(
        pathway_id=f"pathway-{referral_id}",
        person_id="person",
        programme="kainuu",
        referral_id=referral_id,
        closed_on=date(2026, 9, 1),
        outcome="work",
    )
