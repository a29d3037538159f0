"""Who can take part: learnt from the pathway service's events, in whatever order and however often they come."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from polku_activities.repository import PATHWAYS, Sessions, learned
from polku_events import EventData
from polku_events.pathway import PathwayOpened
from polku_events.referral import ReferralConcluded, StaffChanged
from polku_runtime.access import find_staff
from polku_runtime.outcomes import Outcome

from .conftest import Hear
from .material import NOW, TODAY, closed, moved, opened, person, reopened

Told = tuple[EventData, int]


async def choosable(sessions: Sessions) -> list[str]:
    return [one.pathway_id for one in await sessions.open_pathways("kainuu")]


async def kept(sessions: Sessions) -> list[dict[str, Any]]:
    return [row async for row in sessions.database[PATHWAYS].find({}).sort("_id", 1)]


async def test_an_open_pathway_can_be_chosen_until_it_closes(hear: Hear, sessions: Sessions) -> None:
    assert await hear((opened(), 1)) == [Outcome.APPLIED]
    assert await sessions.open_pathways("kainuu") == [person(1)]
    assert await hear((moved(), 3)) == [Outcome.APPLIED]
    assert await hear((closed(), 5)) == [Outcome.APPLIED]
    assert await choosable(sessions) == []
    assert await hear((reopened(), 6), (moved(), 7)) == [Outcome.APPLIED] * 2
    assert await choosable(sessions) == ["pathway-1"]


async def test_a_repetition_changes_nothing(hear: Hear, sessions: Sessions) -> None:
    story = [(opened(), 1), (moved(), 3), (closed(), 5)]
    await hear(*story)
    before = await kept(sessions)
    assert await hear(*story, *story) == [Outcome.DUPLICATE] * 6
    assert await kept(sessions) == before


async def test_closed_before_opened_stays_closed(hear: Hear, sessions: Sessions) -> None:
    await hear((closed(), 5))
    assert await choosable(sessions) == []
    assert await hear((opened(), 1)) == [Outcome.APPLIED]
    assert await choosable(sessions) == []
    await hear((reopened(), 6))
    assert await sessions.open_pathways("kainuu") == [person(1)]


async def test_what_closed_before_its_start_is_reopened_by_its_stage(hear: Hear, sessions: Sessions) -> None:
    await hear((opened(), 1), (closed(), 2), (moved(), 3))
    assert await choosable(sessions) == ["pathway-1"]


async def test_programmes_are_apart(hear: Hear, sessions: Sessions) -> None:
    await hear((opened(1), 1), (opened(2, "lapland"), 1))
    assert await choosable(sessions) == ["pathway-1"]
    assert await sessions.participants("kainuu", ["pathway-2", "pathway-1", "ghost"]) == [person(1)]


async def test_text_is_kept_as_it_is_and_never_read_as_an_expression(hear: Hear, sessions: Sessions) -> None:
    await hear((opened().model_copy(update={"case_code": "$open_version"}), 1))
    (one,) = await sessions.open_pathways("kainuu")
    assert one.case_code == "$open_version"


async def test_many_first_events_at_once(hear: Hear, sessions: Sessions) -> None:
    await asyncio.gather(*(hear((opened(), 1)) for _ in range(10)), *(hear((closed(), 2)) for _ in range(10)))
    (row,) = await kept(sessions)
    assert (row["open"], row["open_version"], row["case_code"]) == (False, 2, "K-00001")


async def test_what_others_say_is_skipped_and_staff_is_remembered(hear: Hear, sessions: Sessions) -> None:
    told = ReferralConcluded(referral_id="r", person_id="p", programme="kainuu", outcome="work", concluded_on=TODAY)
    assert await hear((told, 1)) == [Outcome.SKIPPED]
    await hear((StaffChanged(staff_id="staff-9", roles=["coach"], active=True, sessions_valid_from=NOW), 1))
    found = await find_staff(sessions.database, "staff-9")
    assert found
    assert found.roles == {"coach"}


# -- any order -------------------------------------------------------------------------------------------------


def stories() -> Mapping[int, list[Told]]:
    """Pathways that open, close, open again; each in the order in which it happened."""
    return {
        1: [(opened(1), 1), (moved(1), 3), (closed(1), 5)],
        2: [(opened(2), 1), (closed(2), 2), (moved(2), 3)],
        3: [(opened(3), 1), (moved(3), 3), (closed(3), 5), (closed(3), 6), (reopened(3), 7), (moved(3), 8)],
        4: [(opened(4), 1), (closed(4), 2), (moved(4), 3), (closed(4), 4)],
        5: [(opened(5), 1)],
    }


def deliveries(seed: int) -> list[Told]:
    """Every event of every story at least once, some twice or three times, all mixed."""
    chance = random.Random(seed)
    events = [one for story in stories().values() for one in story]
    repeated = [*events, *chance.choices(events, k=chance.randrange(2 * len(events)))]
    chance.shuffle(repeated)
    return repeated


def evaluated(expression: Any, document: Mapping[str, Any]) -> Any:
    """What MongoDB makes of the few expressions that the update uses."""
    if isinstance(expression, str) and expression.startswith("$"):
        return document.get(expression[1:])
    match expression:
        case {"$literal": value}:
            return value
        case {"$ifNull": [one, other]}:
            found = evaluated(one, document)
            return evaluated(other, document) if found is None else found
        case {"$gt": [one, other]}:
            return evaluated(one, document) > evaluated(other, document)
        case {"$max": [one, other]}:
            return max(evaluated(one, document), evaluated(other, document))
        case {"$cond": [condition, one, other]}:
            return evaluated(one if evaluated(condition, document) else other, document)
    assert not isinstance(expression, dict), expression
    return expression


def folded(told: Sequence[Told]) -> dict[str, dict[str, Any]]:
    """The very updates that the repository sends, on documents in memory."""
    documents: dict[str, dict[str, Any]] = {}
    for data, version in told:
        assert hasattr(data, "pathway_id")
        about = data.model_dump(include={"person_id", "case_code", "programme"}) if isinstance(data, PathwayOpened) else None  # fmt: skip
        document = documents.setdefault(data.pathway_id, {})
        (stage,) = learned(version, is_open=data.TYPE != "polku.pathway.closed.v1", about=about)
        document.update({name: evaluated(value, document) for name, value in stage["$set"].items()})
    return documents


def test_a_thousand_interleavings_end_in_the_same_documents() -> None:
    expected = folded([one for story in stories().values() for one in story])
    assert {name: one["open"] for name, one in expected.items()} == {
        "pathway-1": False,
        "pathway-2": True,
        "pathway-3": True,
        "pathway-4": False,
        "pathway-5": True,
    }
    for seed in range(1000):
        assert folded(deliveries(seed)) == expected, seed


@pytest.mark.parametrize("seed", range(8))
async def test_mongod_agrees(hear: Hear, sessions: Sessions, seed: int) -> None:
    told = deliveries(seed)
    for start in range(0, len(told), 7):
        await hear(*told[start : start + 7])
    assert {row.pop("_id"): row for row in await kept(sessions)} == folded(told)
    assert await choosable(sessions) == ["pathway-2", "pathway-3", "pathway-5"]
