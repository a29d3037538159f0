"""A bug planted where records are read; Kafka is a log in memory.

Each property holds for our code and is violated once the bug that it guards against is planted: the guard can fail.
"""

from collections import Counter
from collections.abc import Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition

from polku_events import encode
from polku_runtime import runner as running
from polku_runtime.effects import Effects
from polku_runtime.metrics import Metrics
from polku_runtime.outcomes import Outcome, Received, Result
from polku_runtime.runner import Runner
from polku_runtime.settings import Settings

from .planted import Killed, happened, holds


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
