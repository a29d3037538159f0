"""One aggregate, one document, one atomic update, on a real mongod."""

import asyncio

import pytest
from pymongo.errors import DuplicateKeyError

from polku_runtime.aggregates import Aggregates, LostRace
from polku_runtime.effects import Effects
from polku_runtime.mongo import Client, database
from polku_runtime.settings import Settings

from .counter import Counter, step


@pytest.fixture
async def counters(mongo_client: Client, settings: Settings, effects: Effects) -> Aggregates[Counter]:
    kept = Aggregates(database(mongo_client, settings, "pathway")["counters"], Counter, effects)
    await kept.create_indexes()
    return kept


async def test_state_and_events_are_one_write(counters: Aggregates[Counter]) -> None:
    after, events = step(Counter(id="c1", version=0, person_id="p1"), times=2)
    await counters.add(after, events)
    document = await counters.collection.find_one({"_id": "c1"})
    assert document is not None
    assert [row["version"] for row in document["outbox"]] == [1, 2]
    assert document["steps"] == 2
    assert document["pending_since"] is not None
    assert await counters.get("c1") == after


async def test_the_slower_of_two_loses_and_sees_the_present_state(counters: Aggregates[Counter]) -> None:
    start, events = step(Counter(id="c1", version=0, person_id="p1"))
    await counters.add(start, events)
    after, more = step(start)
    results = await asyncio.gather(*(counters.save(start, after, more) for _ in range(10)), return_exceptions=True)
    lost = [result for result in results if isinstance(result, LostRace)]
    assert len(lost) == 9
    assert {result.present for result in lost} == {after}
    document = await counters.collection.find_one({"_id": "c1"})
    assert document is not None
    assert len(document["outbox"]) == 2


async def test_forbidden_and_unknown_are_the_same(counters: Aggregates[Counter]) -> None:
    start, events = step(Counter(id="c1", version=0, person_id="p1"))
    await counters.add(start, events)
    after, more = step(start)
    with pytest.raises(LostRace) as lost:
        await counters.save(start, after, more, scope={"person_id": "somebody else"})
    assert lost.value.present is None
    assert await counters.get("c1", {"person_id": "somebody else"}) is None


async def test_an_id_is_taken_once(counters: Aggregates[Counter]) -> None:
    start, events = step(Counter(id="c1", version=0, person_id="p1"))
    await counters.add(start, events)
    with pytest.raises(DuplicateKeyError):
        await counters.add(start, events)


async def test_every_event_takes_one_version(counters: Aggregates[Counter]) -> None:
    start = Counter(id="c1", version=0, person_id="p1")
    with pytest.raises(ValueError, match="cannot take version"):
        await counters.add(start, step(start)[1])
