"""The guards can fail: each property holds for our code and is violated once the bug that it guards against is planted.

Seeded simulations over a real MongoDB, with processes that die at the worst moments; Kafka is a log in memory.
"""

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from pymongo import UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from polku_events import Aggregate, Event, EventData, decode, encode, topic_of
from polku_events.pathway import PathwayClosed, PathwayOpened, PathwayStageChanged
from polku_events.referral import ReferralAccepted
from polku_indicators.model import fold
from polku_pathway import consumer
from polku_pathway.catalogue import read_catalogue
from polku_pathway.repository import Pathways
from polku_runtime import runner as running
from polku_runtime.aggregates import Aggregates, LostRace
from polku_runtime.effects import Effects
from polku_runtime.journal import restored
from polku_runtime.metrics import Metrics
from polku_runtime.mongo import Client, Database, database
from polku_runtime.outcomes import Dead, Outcome, Received, Result
from polku_runtime.relay import Relay, _pending, _without
from polku_runtime.runner import Runner
from polku_runtime.settings import Settings
from polku_runtime.testing import FakeJournal, FakePublisher, fixed_effects

DAY = date(2026, 3, 2)
Property = Callable[[], Awaitable[None]]


class Killed(BaseException):
    """The process ends here; nothing after it runs, as with kill -9."""


class Thing(Aggregate):
    """steps is what a lost update would lose."""

    person_id: str = "p1"
    steps: int = 0


def step(thing: Thing) -> tuple[Thing, list[EventData]]:
    changed = PathwayStageChanged(
        pathway_id=thing.id,
        person_id=thing.person_id,
        programme="kainuu",
        from_stage=f"s{thing.steps}",
        to_stage=f"s{thing.steps + 1}",
        on=DAY,
    )
    return thing.model_copy(update={"steps": thing.steps + 1, "version": thing.version + 1}), [changed]


async def holds(guarded: Property) -> bool:
    try:
        await guarded()
    except AssertionError:
        return False
    return True


@pytest.fixture
def fresh(mongo_client: Client, settings: Settings) -> Callable[[], Database]:
    """A database for each run of a property."""
    numbers = itertools.count(1)
    return lambda: database(mongo_client, settings, f"planted{next(numbers)}")


# -- writing and publishing -----------------------------------------------------------------------------


class MortalPublisher(FakePublisher):
    """The process dies in every fifth send: half of the time before the broker has it, half of the time after."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.random = random
        self.deadly = True

    async def send(self, topic: str, record: Any) -> Awaitable[object]:
        dies = self.deadly and self.random.random() < 0.2
        if dies and self.random.random() < 0.5:
            raise Killed
        sent = await super().send(topic, record)
        if dies:
            raise Killed
        return sent


def what_is_kept_is_said(fresh: Callable[[], Database], settings: Settings) -> tuple[Property, list[MortalPublisher]]:
    """Property: every change that is in the database is published in the end, and nothing else is."""
    publishers: list[MortalPublisher] = []

    async def guarded() -> None:
        random, effects, collection = Random(11), fixed_effects(seed=11), fresh()["things"]
        things = Aggregates(collection, Thing, effects)
        await things.create_indexes()
        publisher = MortalPublisher(random)
        publishers.append(publisher)
        journal = FakeJournal()

        def relay() -> Relay:
            return Relay(
                service="pathway",
                settings=settings,
                collections=[collection],
                journal=journal,
                publisher=publisher,
                effects=effects,
                metrics=Metrics(),
            )

        for number in range(60):
            before = await things.get(f"thing-{number % 10}")
            try:
                if before is None:
                    await things.add(*step(Thing(id=f"thing-{number % 10}", version=0)))
                else:
                    await things.save(before, *step(before))
                await relay().drain()
            except Killed:
                continue
        publisher.deadly = False
        await relay().drain()
        kept = {row["_id"]: set(range(1, row["version"] + 1)) async for row in collection.find({})}
        said = defaultdict(set)
        for record in publisher.topics[settings.topic("pathway.events")]:
            event = decode(record.value, record.headers)
            said[event.subject].add(event.version)
        assert said == kept

    return guarded, publishers


async def test_dual_write(fresh: Callable[[], Database], settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded, publishers = what_is_kept_is_said(fresh, settings)
    assert await holds(guarded)

    async def save_then_send(self: Aggregates[Thing], before: Thing, after: Thing, events: Sequence[EventData]) -> None:
        state = after.model_dump(exclude={"id"})
        await self.collection.update_one({"_id": before.id, "version": before.version}, {"$set": state})
        for row in self._outbox(after, events, before.version):
            await (await publishers[-1].send(settings.topic(topic_of(row["type"])), encode(restored(row))))

    monkeypatch.setattr(Aggregates, "save", save_then_send)
    assert not await holds(guarded)


async def test_mark_before_publish(
    fresh: Callable[[], Database], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded, _ = what_is_kept_is_said(fresh, settings)
    assert await holds(guarded)

    async def marking_first(self: Relay, collection: AsyncCollection[dict[str, Any]]) -> int:
        documents = [document async for document in _pending(collection).limit(200)]
        for document in documents:
            rows = document["outbox"]
            await collection.bulk_write([UpdateOne({"_id": document["_id"]}, _without([row["id"] for row in rows]))])
            await self._publish(rows)
        return len(documents)

    monkeypatch.setattr(Relay, "_round", marking_first)
    assert not await holds(guarded)


async def test_lost_version_check(fresh: Callable[[], Database], monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_update_is_lost() -> None:
        things = Aggregates(fresh()["things"], Thing, fixed_effects(seed=12))
        await things.create_indexes()
        await things.add(*step(Thing(id="t", version=0)))

        async def one_of_many() -> None:
            for _ in range(5):
                while True:
                    before = await things.get("t")
                    assert before is not None
                    try:
                        await things.save(before, *step(before))
                    except LostRace:
                        continue
                    break

        await asyncio.gather(*(one_of_many() for _ in range(6)))
        row = await things.collection.find_one({"_id": "t"})
        assert row is not None
        assert row["steps"] == 31
        assert [event["version"] for event in row["outbox"]] == list(range(1, 32))

    assert await holds(no_update_is_lost)
    honest = AsyncCollection.find_one_and_update

    async def whatever_version(self: Any, where: dict[str, Any], *rest: Any, **more: Any) -> Any:
        return await honest(self, {key: value for key, value in where.items() if key != "version"}, *rest, **more)

    monkeypatch.setattr(AsyncCollection, "find_one_and_update", whatever_version)
    assert not await holds(no_update_is_lost)


# -- reading ---------------------------------------------------------------------------------------------


class Log:
    """One partition with its group's offset, as a consumer sees it. A new consumer starts where was committed."""

    part = TopicPartition("t.pathway.events", 0)

    def __init__(self, records: Sequence[Any]) -> None:
        self.records = records
        self.committed = self.position = 0

    def assignment(self) -> set[TopicPartition]:
        return {self.part}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.committed = offsets[self.part]

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.position = offset

    def poll(self, most: int) -> tuple[Any, ...]:
        batch = tuple(self.records[self.position : self.position + most])
        self.position += len(batch)
        return batch


def happened(number: int) -> Event:
    _, [data] = step(Thing(id="w1", version=number - 1, steps=number - 1))
    return Event(
        id=f"event-{number:04}",
        type=data.TYPE,
        source="/polku/pathway",
        subject="w1",
        time=fixed_effects().now(),
        minor=data.MINOR,
        version=number,
        correlation_id="c1",
        causation_id=None,
        partition_key="p1",
        traceparent=None,
        data=data,
    )


async def test_commit_before_effect(settings: Settings, effects: Effects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "BACKOFF_S", 0.0)

    async def all_has_its_effect() -> None:
        random, done = Random(13), Counter[int]()
        encoded = [encode(happened(number)) for number in range(1, 61)]
        log = Log(
            [
                SimpleNamespace(
                    topic=Log.part.topic, partition=0, offset=offset, key=one.key, value=one.value, headers=one.headers
                )
                for offset, one in enumerate(encoded)
            ]
        )

        async def apply(batch: Sequence[Received]) -> Sequence[Result]:
            fate = random.random()
            if fate < 0.15:
                raise Killed
            if fate < 0.3:
                raise ConnectionError
            done.update(received.event.version for received in batch)
            if fate < 0.4:
                raise Killed
            return [Outcome.APPLIED] * len(batch)

        while log.committed < len(log.records):
            runner = Runner(
                service="pathway", settings=settings, topics=[], apply=apply, effects=effects, metrics=Metrics()
            )
            # In the place of FastStream's broker and subscriber: the runner asks them for the consumer alone.
            runner._broker = runner._producer = SimpleNamespace()  # type: ignore[assignment]
            runner._subscriber = SimpleNamespace(consumer=log)  # type: ignore[assignment]
            log.position = log.committed
            try:
                while batch := log.poll(random.randrange(1, 6)):
                    await runner._handle(batch)
            except Killed:
                continue
        assert set(done) == set(range(1, 61))
        assert max(done.values()) > 1, "nothing was delivered twice: the run proves nothing"

    assert await holds(all_has_its_effect)
    honest = Runner._batch

    async def committing_first(self: Runner, batch: tuple[Any, ...]) -> None:
        await self._commit(batch)
        await honest(self, batch)

    monkeypatch.setattr(Runner, "_batch", committing_first)
    assert not await holds(all_has_its_effect)


# -- effects ---------------------------------------------------------------------------------------------


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
