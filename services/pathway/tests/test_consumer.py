"""An accepted referral opens a pathway once, whatever the delivery does."""

import asyncio
import random

import pytest

from polku_events.referral import ReferralConcluded, StaffChanged
from polku_pathway.model import pathway as domain
from polku_pathway.repository import Pathways
from polku_runtime.access import find_staff
from polku_runtime.outcomes import Dead, Outcome
from polku_runtime.testing import Clock

from .conftest import Hear, event
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
