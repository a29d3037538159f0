"""An accepted referral opens a pathway once, whatever the delivery does."""

import asyncio
import random
from datetime import date

import pytest

from polku_events.referral import ReferralConcluded, ReferralWithdrawn, StaffChanged
from polku_pathway.model import pathway as domain
from polku_pathway.model.pathway import Pathway
from polku_pathway.repository import Pathways
from polku_runtime.access import find_staff
from polku_runtime.aggregates import LostRace
from polku_runtime.outcomes import Dead, Outcome
from polku_runtime.testing import Clock, event

from .conftest import Hear
from .material import ACT, RULES, TODAY, accepted, entry, leaving

ABOUT = ("referrals", "stage", "version", "open")


async def kept(pathways: Pathways) -> list[dict[str, object]]:
    rows = pathways.aggregates.collection.find({}).sort("_id", 1)
    return [row async for row in rows]


async def test_the_same_event_three_times_opens_one_pathway(hear: Hear, pathways: Pathways) -> None:
    results = [*await hear(accepted()), *await hear(accepted(), accepted())]
    assert results == [Outcome.APPLIED, Outcome.DUPLICATE, Outcome.DUPLICATE]
    (row,) = await kept(pathways)
    assert [told["type"] for told in row["outbox"]] == ["polku.pathway.opened.v1"]  # type: ignore[attr-defined]
    assert row["open"] is True
    assert row["due_on"] == "2026-01-19"


async def test_many_concurrent_deliveries_open_one_pathway(hear: Hear, pathways: Pathways) -> None:
    results = [result for batch in await asyncio.gather(*(hear(accepted()) for _ in range(12))) for result in batch]
    assert sorted(result.value for result in results) == ["applied", *["duplicate"] * 11]
    (row,) = await kept(pathways)
    assert row["version"] == 1


async def test_two_referrals_at_once_share_one_pathway(hear: Hear, pathways: Pathways) -> None:
    deliveries = [accepted(f"referral-{number % 4}") for number in range(16)]
    random.Random(4).shuffle(deliveries)
    await asyncio.gather(*(hear(delivery) for delivery in deliveries))
    (row,) = await kept(pathways)
    assert sorted(row["referrals"]) == [f"referral-{number}" for number in range(4)]  # type: ignore[call-overload]
    assert row["version"] == 4 == len(row["outbox"])  # type: ignore[arg-type]
    assert sorted(told["version"] for told in row["outbox"]) == [1, 2, 3, 4]  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(5))
async def test_any_order_and_a_whole_replay_end_the_same(hear: Hear, pathways: Pathways, seed: int) -> None:
    events = [accepted(f"referral-{n}", f"person-{n % 3}") for n in range(9)]
    await hear(*random.Random(seed).sample(events, len(events)))
    before = await kept(pathways)
    for _ in range(2):
        replayed = await hear(*random.Random(seed + 1).sample(events, len(events)))
        assert set(replayed) == {Outcome.DUPLICATE}
    assert await kept(pathways) == before
    assert sorted(len(row["referrals"]) for row in before) == [3, 3, 3]  # type: ignore[arg-type]


async def test_after_the_end_a_new_referral_opens_a_new_pathway(hear: Hear, pathways: Pathways) -> None:
    await hear(accepted())
    opened = await pathways.open_of("person-1", "kainuu")
    assert opened
    started = await pathways.save(opened, *domain.start(opened, entry(), RULES, ACT))
    ended = await pathways.save(started, *domain.end(started, leaving(), RULES, ACT))
    assert await hear(accepted("referral-2", accepted_on=TODAY), accepted()) == [Outcome.APPLIED, Outcome.DUPLICATE]
    again = await pathways.open_of("person-1", "kainuu")
    assert again
    assert (again.id != ended.id, again.referrals, again.stage) == (True, ("referral-2",), "waiting")


async def test_a_joined_referral_stays_known_after_the_end(hear: Hear, pathways: Pathways) -> None:
    await hear(accepted(), accepted("referral-2"))
    opened = await pathways.open_of("person-1", "kainuu")
    assert opened
    await pathways.save(opened, *domain.close_unstarted(opened, TODAY, "no-show", RULES, ACT))
    assert await hear(accepted("referral-2")) == [Outcome.DUPLICATE]
    assert len(await kept(pathways)) == 1


async def test_other_programmes_and_persons_are_apart(hear: Hear, pathways: Pathways) -> None:
    results = await hear(accepted(), accepted("referral-2", "person-2"), accepted("referral-3", programme="lapland"))
    assert results[:2] == [Outcome.APPLIED] * 2
    assert isinstance(results[2], Dead)
    assert results[2].reason == "unknown-programme"
    assert len(await kept(pathways)) == 2


async def test_events_of_others_are_skipped(hear: Hear) -> None:
    told = ReferralConcluded(referral_id="r", person_id="p", programme="kainuu", outcome="work", concluded_on=TODAY)
    assert await hear(told) == [Outcome.SKIPPED]


async def test_staff_is_remembered(hear: Hear, pathways: Pathways) -> None:
    told = StaffChanged(staff_id="staff-9", roles=["coordinator"], active=True, sessions_valid_from=Clock().now)
    await hear(told)
    found = await find_staff(pathways.database, "staff-9")
    assert found
    assert found.roles == {"coordinator"}
    assert event(told).partition_key == "staff-9"


def taken_back(referral: str = "referral-1", on: date = TODAY) -> ReferralWithdrawn:
    return ReferralWithdrawn(
        referral_id=referral, person_id="person-1", programme="kainuu", reason="situation-changed", withdrawn_on=on
    )


async def told(pathways: Pathways) -> list[str]:
    """What the only pathway has said, in order."""
    (row,) = await kept(pathways)
    return [one["type"].removeprefix("polku.pathway.").removesuffix(".v1") for one in row["outbox"]]  # type: ignore[attr-defined]


async def test_a_pathway_that_did_not_begin_closes_when_its_sender_takes_the_referral_back(
    hear: Hear, pathways: Pathways
) -> None:
    assert await hear(taken_back()) == [Outcome.SKIPPED]  # before it was accepted: there is no pathway
    assert await hear(accepted(), taken_back(), taken_back()) == [
        Outcome.APPLIED,
        Outcome.APPLIED,
        Outcome.DUPLICATE,
    ]
    assert await told(pathways) == ["opened", "referral-detached", "closed"]
    closed = await pathways.of_referral("referral-1")
    assert closed
    assert (closed.outcome, closed.stage, closed.closed_on) == ("withdrawn-by-sender", "discontinued", TODAY)
    assert [line.kind for line in closed.timeline] == ["opened", "referral-detached", "closed"]


async def test_who_takes_part_already_goes_on(hear: Hear, pathways: Pathways) -> None:
    await hear(accepted())
    opened = await pathways.open_of("person-1", "kainuu")
    assert opened
    await pathways.save(opened, *domain.start(opened, entry(), RULES, ACT))
    assert await hear(taken_back(), taken_back()) == [Outcome.APPLIED, Outcome.DUPLICATE]
    present = await pathways.open_of("person-1", "kainuu")
    assert present
    assert (present.stage, present.detached) == ("assessment", ("referral-1",))
    assert present.timeline[-1].kind == "referral-detached"
    await pathways.save(present, *domain.end(present, leaving(), RULES, ACT))
    assert await hear(taken_back()) == [Outcome.DUPLICATE]


async def test_another_referral_holds_the_pathway_until_it_is_taken_back_too(hear: Hear, pathways: Pathways) -> None:
    await hear(accepted(), accepted("referral-2"))
    assert await hear(taken_back()) == [Outcome.APPLIED]
    assert await pathways.open_of("person-1", "kainuu") is not None
    assert await hear(taken_back("referral-2")) == [Outcome.APPLIED]
    assert await told(pathways) == [
        "opened", "referral-attached", "referral-detached", "referral-detached", "closed", "closed",
    ]  # fmt: skip


async def test_many_deliveries_take_it_back_once(hear: Hear, pathways: Pathways) -> None:
    await hear(accepted())
    results = [one for batch in await asyncio.gather(*(hear(taken_back()) for _ in range(8))) for one in batch]
    assert sorted(result.value for result in results) == ["applied", *["duplicate"] * 7]
    assert await told(pathways) == ["opened", "referral-detached", "closed"]


async def test_taken_back_against_begun_never_both(hear: Hear, pathways: Pathways) -> None:
    """The coordinator starts the participation at the very moment: either it closed unstarted, or it goes on."""
    for number in range(20):
        about = {"referral": f"referral-{number}", "person": f"person-{number}"}
        await hear(accepted(**about))
        opened = await pathways.of_referral(about["referral"])
        assert opened

        async def begin(opened: Pathway = opened) -> str:
            try:
                await pathways.save(opened, *domain.start(opened, entry(), RULES, ACT))
            except LostRace:
                return "lost"
            return "begun"

        begun, _ = await asyncio.gather(begin(), hear(taken_back(about["referral"])))
        after = await pathways.of_referral(about["referral"])
        assert after
        assert after.detached == (about["referral"],)
        assert after.is_open is (begun == "begun") is (after.entry is not None)
