"""The worker on real Kafka: a pathway opens, a session is held, and what is said goes out once and in order."""

import asyncio

from aiokafka import AIOKafkaConsumer

from polku_activities.app import create_worker
from polku_activities.model import session as domain
from polku_activities.repository import Sessions
from polku_activities.settings import ActivitiesSettings
from polku_events import Event, decode, encode
from polku_runtime.effects import Effects
from polku_runtime.publisher import KafkaPublisher

from .conftest import event
from .material import ACT, PRESENT, TODAY, opened, wish


async def heard(settings: ActivitiesSettings, count: int) -> list[Event]:
    """The first `count` events of the activities topic."""
    consumer = AIOKafkaConsumer(
        settings.topic("activities.events"), bootstrap_servers=settings.kafka, auto_offset_reset="earliest"
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


async def test_an_open_pathway_can_be_chosen_and_a_session_is_heard_of(
    kafka_environment: dict[str, object], sessions: Sessions, effects: Effects
) -> None:
    settings = ActivitiesSettings.model_validate(kafka_environment)
    worker, stop, publisher = create_worker(settings, effects=effects), asyncio.Event(), KafkaPublisher(settings)
    running = asyncio.create_task(worker.run(stop))
    try:
        for _ in range(2):
            await (await publisher.send(settings.topic("pathway.events"), encode(event(opened()))))
        async with asyncio.timeout(30):
            while not (people := await sessions.open_pathways("kainuu")):
                await asyncio.sleep(0.05)
        plan = wish().model_copy(update={"participants": tuple(people)})
        planned = await sessions.add(*domain.plan("session-1", "kainuu", plan, ACT))
        held = domain.hold(
            planned,
            held_on=TODAY,
            minutes=120,
            marks={"pathway-1": PRESENT},
            walk_ins=(),
            today=TODAY,
            act=ACT,
        )
        await sessions.save(planned, *held, {})
        events = await heard(settings, 3)
        assert await worker.ready() is None
    finally:
        stop.set()
        await running
        await publisher.stop()
    # One partition is in order; between partitions, the session's events and the person's may meet either way.
    assert sorted((told.version, told.type, told.partition_key) for told in events) == [
        (1, "polku.session.planned.v1", "session-1"),
        (2, "polku.session.held.v1", "session-1"),
        (3, "polku.attendance.recorded.v1", "person-1"),
    ]
    assert {told.subject for told in events} == {"session-1"}
