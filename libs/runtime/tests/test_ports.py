"""The fakes and the real adapters keep the same promises. Expectations are written by hand, so that neither
can pass by agreeing with itself. It cannot see what only a cluster does: elections, rebalances, fencing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from polku_events import Record, encode
from polku_runtime.aggregates import stored
from polku_runtime.dead_letters import read_topic
from polku_runtime.journal import Journal, MongoJournal, restored
from polku_runtime.mongo import Client, database
from polku_runtime.publisher import KafkaPublisher, Publisher
from polku_runtime.settings import Settings
from polku_runtime.testing import FakeJournal, FakePublisher

from .events import stage_changed

ReadBack = Callable[[str], Awaitable[list[Record]]]


@pytest.fixture(params=["fake", "mongo"])
async def journal(request: pytest.FixtureRequest, mongo_client: Client, settings: Settings) -> Journal:
    if request.param == "fake":
        return FakeJournal()
    return MongoJournal(database(mongo_client, settings, "pathway"))


async def test_a_journal_keeps_each_event_once_and_replays_in_order(journal: Journal) -> None:
    rows = [stored(stage_changed(version)) for version in (1, 2, 3)]
    await journal.keep(rows[:2])
    await journal.keep(rows)
    replayed = [event async for event in journal.replay()]
    assert [event.version for event in replayed] == [1, 2, 3]
    assert replayed[0] == stage_changed(1)
    assert restored(rows[2]) == stage_changed(3)


@pytest.fixture(params=["fake", "kafka"])
async def broker(
    request: pytest.FixtureRequest, kafka_environment: dict[str, object]
) -> AsyncIterator[tuple[Publisher, ReadBack]]:
    if request.param == "fake":
        fake = FakePublisher()

        async def remembered(topic: str) -> list[Record]:
            return fake.topics[topic]

        yield fake, remembered
        return
    settings = Settings.model_validate(kafka_environment)
    real = KafkaPublisher(settings)

    async def read(topic: str) -> list[Record]:
        return [Record(r.key, r.value, list(r.headers)) async for r in read_topic(settings.kafka, topic)]

    yield real, read
    await real.stop()


async def test_a_publisher_keeps_bytes_headers_and_the_order_of_a_key(
    broker: tuple[Publisher, ReadBack], namespace: str
) -> None:
    publisher, read = broker
    topic = f"{namespace}.pathway.events"
    records = [encode(stage_changed(version)) for version in range(1, 21)]
    await asyncio.gather(*[await publisher.send(topic, record) for record in records])
    assert await read(topic) == records


async def test_a_publisher_works_again_after_a_reset(broker: tuple[Publisher, ReadBack], namespace: str) -> None:
    publisher, read = broker
    topic = f"{namespace}.pathway.events"
    await (await publisher.send(topic, encode(stage_changed(1))))
    await publisher.reset()
    await (await publisher.send(topic, encode(stage_changed(2))))
    assert len(await read(topic)) == 2
