"""The relay repeats, never loses, and keeps the order of one aggregate; on a real mongod with a broker that fails."""

import asyncio
from collections import defaultdict

import pytest

from polku_events import decode
from polku_runtime.aggregates import Aggregates
from polku_runtime.effects import Effects
from polku_runtime.lease import Lease
from polku_runtime.metrics import Metrics
from polku_runtime.mongo import Client, Database, database
from polku_runtime.relay import Relay
from polku_runtime.settings import Settings
from polku_runtime.testing import Clock, FakeJournal, FakePublisher

from .counter import Counter, step


@pytest.fixture
def db(mongo_client: Client, settings: Settings) -> Database:
    return database(mongo_client, settings, "pathway")


@pytest.fixture
async def counters(db: Database, effects: Effects) -> Aggregates[Counter]:
    kept = Aggregates(db["counters"], Counter, effects)
    await kept.create_indexes()
    return kept


@pytest.fixture
def relay(counters: Aggregates[Counter], settings: Settings, effects: Effects) -> Relay:
    return Relay(
        service="pathway",
        settings=settings,
        collections=[counters.collection],
        journal=FakeJournal(),
        publisher=FakePublisher(),
        effects=effects,
        metrics=Metrics(),
    )


def told(relay: Relay, settings: Settings) -> dict[str, list[int]]:
    """Versions per aggregate in the order in which they were published."""
    versions: dict[str, list[int]] = defaultdict(list)
    for record in relay.publisher.topics[settings.topic("pathway.events")]:
        event = decode(record.value, record.headers)
        versions[event.subject].append(event.version)
    return versions


async def test_what_is_published_is_in_the_journal_and_out_of_the_outbox(
    counters: Aggregates[Counter], relay: Relay, settings: Settings
) -> None:
    after, events = step(Counter(id="c1", version=0, person_id="p1"), times=3)
    await counters.add(after, events)
    assert await relay.drain() == 3
    assert told(relay, settings) == {"c1": [1, 2, 3]}
    assert len(relay.journal.rows) == 3
    document = await counters.collection.find_one({"_id": "c1"})
    assert document["outbox"] == []
    assert "pending_since" not in document
    assert await relay.drain() == 0


async def test_a_failed_send_keeps_everything_pending_and_is_repeated_in_order(
    counters: Aggregates[Counter], relay: Relay, settings: Settings
) -> None:
    after, events = step(Counter(id="c1", version=0, person_id="p1"), times=3)
    await counters.add(after, events)
    relay.publisher.fail_next = 2
    with pytest.raises(ConnectionError):
        await relay.drain()
    assert await relay.age() >= 0
    assert await relay.drain() == 3
    assert told(relay, settings)["c1"][-3:] == [1, 2, 3]


async def test_events_that_arrive_during_a_round_are_not_lost(
    counters: Aggregates[Counter], relay: Relay, settings: Settings
) -> None:
    start, events = step(Counter(id="c1", version=0, person_id="p1"))
    await counters.add(start, events)
    sent = relay.publisher.send

    async def send_and_be_overtaken(topic: str, record: object) -> object:
        relay.publisher.send = sent
        after, more = step(start)
        await counters.save(start, after, more)
        return await sent(topic, record)

    relay.publisher.send = send_and_be_overtaken
    assert await relay.drain() == 2
    assert told(relay, settings) == {"c1": [1, 2]}


async def test_the_age_is_that_of_the_oldest_waiting_event(
    counters: Aggregates[Counter], relay: Relay, clock: Clock
) -> None:
    after, events = step(Counter(id="c1", version=0, person_id="p1"))
    await counters.add(after, events)
    clock.advance(seconds=42)
    assert await relay.age() == 42
    await relay.drain()
    assert await relay.age() == 0


async def test_it_runs_when_woken_and_outlives_trouble(
    counters: Aggregates[Counter], relay: Relay, settings: Settings
) -> None:
    wake = asyncio.Event()

    async def hold() -> bool:
        return True

    running = asyncio.create_task(relay.run(wake, hold, poll_s=60))
    await asyncio.sleep(0.05)
    relay.publisher.fail_next = 1
    after, events = step(Counter(id="c1", version=0, person_id="p1"))
    await counters.add(after, events)
    wake.set()
    for _ in range(100):
        if told(relay, settings):
            break
        await asyncio.sleep(0.05)
    running.cancel()
    assert told(relay, settings) == {"c1": [1]}
    assert relay.publisher.resets == 1


async def test_one_holds_the_lease_until_it_lets_go_or_dies(db: Database, effects: Effects, clock: Clock) -> None:
    first, second = Lease(db, "relay", effects), Lease(db, "relay", effects)
    assert await first.hold()
    assert not await second.hold()
    await first.release()
    assert await second.hold()
    clock.advance(seconds=6)
    assert await first.hold()
    assert not await second.hold()
