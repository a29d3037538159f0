"""The worker on real Kafka: an acceptance comes in, the pathway's events go out, once and in order."""

import asyncio
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaConsumer

from polku_events import Event, decode, encode
from polku_events.referral import ReferralAccepted
from polku_pathway.app import create_worker
from polku_pathway.model import pathway as domain
from polku_pathway.model.pathway import pathway_id
from polku_pathway.repository import Pathways
from polku_pathway.settings import PathwaySettings
from polku_runtime.effects import Effects
from polku_runtime.publisher import KafkaPublisher

from .conftest import event
from .material import ACT, RULES, accepted, entry


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():
            await asyncio.sleep(0.05)


async def heard(settings: PathwaySettings, count: int) -> list[Event]:
    """The first `count` events of the pathway topic."""
    consumer = AIOKafkaConsumer(
        settings.topic("pathway.events"), bootstrap_servers=settings.kafka, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            records = [await consumer.getone() for _ in range(count)]
            more = await consumer.getmany(timeout_ms=500)
    finally:
        await consumer.stop()
    assert not more, "an event was said twice"
    return [decode(record.value, record.headers) for record in records]


async def test_an_acceptance_becomes_a_pathway_whose_events_others_hear(
    kafka_environment: dict[str, object], pathways: Pathways, effects: Effects
) -> None:
    settings = PathwaySettings.model_validate(kafka_environment)
    worker, stop, publisher = create_worker(settings, effects=effects), asyncio.Event(), KafkaPublisher(settings)
    running = asyncio.create_task(worker.run(stop))
    told: ReferralAccepted = accepted()
    try:
        for _ in range(3):
            await (await publisher.send(settings.topic("referral.events"), encode(event(told))))

        async def opened() -> bool:
            return await pathways.knows_referral("referral-1")

        await until(opened)
        present = await pathways.open_of("person-1", "kainuu")
        assert present is not None
        await pathways.save(present, *domain.start(present, entry(), RULES, ACT))
        events = await heard(settings, 3)
        assert await worker.ready() is None
    finally:
        stop.set()
        await running
        await publisher.stop()
    assert [told.type for told in events] == [
        "polku.pathway.opened.v1",
        "polku.participation.started.v1",
        "polku.pathway.stage-changed.v1",
    ]
    assert [told.version for told in events] == [1, 2, 3]
    assert {(told.partition_key, told.subject) for told in events} == {("person-1", pathway_id("referral-1"))}
    assert events[0].causation_id == "event-1"
