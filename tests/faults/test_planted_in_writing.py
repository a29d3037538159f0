"""Bugs planted where changes are kept and published, with a process that dies in the middle of a send.

Each property holds for our code and is violated once the bug that it guards against is planted: the guard can fail.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

import pytest
from pymongo import UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from polku_events import EventData, decode, encode, topic_of
from polku_runtime.aggregates import Aggregates, LostRace
from polku_runtime.journal import restored
from polku_runtime.metrics import Metrics
from polku_runtime.mongo import Database
from polku_runtime.relay import Relay, _pending, _without
from polku_runtime.settings import Settings
from polku_runtime.testing import FakeJournal, FakePublisher, fixed_effects

from .planted import Killed, Property, Thing, holds, step


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
