"""Bugs planted where events have their effects: a reaction and a fold without their guards.

Each property holds for our code and is violated once the bug that it guards against is planted: the guard can fail.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from polku_events import Event, EventData
from polku_events.pathway import PathwayClosed, PathwayOpened
from polku_events.referral import ReferralAccepted
from polku_indicators.model import fold
from polku_pathway import consumer
from polku_pathway.catalogue import read_catalogue
from polku_pathway.repository import Pathways
from polku_runtime.mongo import Database
from polku_runtime.outcomes import Dead, Received
from polku_runtime.testing import fixed_effects

from .planted import DAY, happened, holds


def accepted(number: int) -> Event:
    data = ReferralAccepted(
        referral_id=f"referral-{number}",
        person_id=f"person-{number % 4}",
        case_code=f"K-{number % 4:04}",
        programme="kainuu",
        route="employment-service",
        service="work-activity",
        organisation_id="o1",
        referred_on=DAY,
        accepted_on=DAY,
        coordinator_id="s1",
    )
    base = happened(number + 1)
    return Event(
        **{
            **{name: getattr(base, name) for name in Event.__dataclass_fields__},
            "type": data.TYPE,
            "source": "/polku/referral",
            "subject": data.referral_id,
            "partition_key": data.person_id,
            "data": data,
        }
    )


async def test_no_duplicate_guard_of_a_reaction(fresh: Callable[[], Database], monkeypatch: pytest.MonkeyPatch) -> None:
    async def each_referral_stands_in_the_one_pathway_of_its_person() -> None:
        pathways = Pathways(fresh(), read_catalogue(), fixed_effects(seed=14))
        await pathways.create_indexes()
        apply = consumer.consume(pathways)
        deliveries = [accepted(number) for number in range(8)] * 3
        Random(14).shuffle(deliveries)
        halves = deliveries[:12], deliveries[12:]  # two workers that both think the partition is theirs
        batches = [[Received("t", 0, offset, event) for offset, event in enumerate(half)] for half in halves]
        results = [result for outcomes in await asyncio.gather(*map(apply, batches)) for result in outcomes]
        assert not [result for result in results if isinstance(result, Dead)]
        kept = [row async for row in pathways.aggregates.collection.find({})]
        joined = Counter([referral_id for row in kept for referral_id in row["referrals"]])
        assert joined == Counter(f"referral-{number}" for number in range(8))
        assert Counter(row["person_id"] for row in kept) == Counter(f"person-{number}" for number in range(4))

    assert await holds(each_referral_stands_in_the_one_pathway_of_its_person)

    async def without_rules(self: Pathways) -> None:
        await self.aggregates.create_indexes()

    monkeypatch.setattr(Pathways, "create_indexes", without_rules)
    assert not await holds(each_referral_stands_in_the_one_pathway_of_its_person)


async def test_no_duplicate_guard_of_the_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    about = {"pathway_id": "w1", "person_id": "p1", "programme": "kainuu"}
    opening = {"case_code": "K-1", "referral_id": "r1", "route": "employment-service", "organisation_id": "o1"}
    opening |= {"service": "work-activity"}
    life: list[EventData] = [
        PathwayOpened(**about, **opening, coordinator_id="s1", stage="start", opened_on=DAY),
        PathwayClosed(**about, referral_id="r1", closed_on=DAY, outcome="other"),
        PathwayClosed(**about, referral_id="r1", closed_on=DAY, outcome="work"),
    ]

    async def repeats_and_order_change_nothing() -> None:
        told = list(enumerate(life, start=1))
        once = folded(told)
        for seed in range(20):
            mixed = told * 2
            Random(seed).shuffle(mixed)
            assert folded(mixed) == once

    def folded(told: Sequence[tuple[int, EventData]]) -> dict[str, Any]:
        state: dict[str, Any] = {}
        for version, data in told:
            fold.fold(state, data, version)
        return state

    assert await holds(repeats_and_order_change_nothing)
    monkeypatch.setattr(fold, "_newer", lambda facets, name, value: facets.__setitem__(name, value))
    assert not await holds(repeats_and_order_change_nothing)
