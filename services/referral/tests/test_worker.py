"""The service on real Kafka and MongoDB: what is posted goes out once, what comes in is answered."""

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any

from aiokafka import AIOKafkaConsumer
from fastapi import FastAPI

from polku_events import Event, decode, encode
from polku_events.pathway import ParticipationStarted
from polku_referral.app import create_worker
from polku_referral.desk import Desk
from polku_referral.settings import ReferralSettings
from polku_runtime.effects import Effects
from polku_runtime.publisher import KafkaPublisher
from polku_runtime.testing.workers import until

from .conftest import Sender, SignIn, event
from .material import COORDINATOR, STAFF, leaks


async def heard(settings: ReferralSettings, wanted: Callable[[list[Event]], bool]) -> tuple[list[Event], list[Any]]:
    """The events of the referral topic from the first on, until `wanted` holds and nothing more comes."""
    consumer = AIOKafkaConsumer(
        settings.topic("referral.events"), bootstrap_servers=settings.kafka, auto_offset_reset="earliest"
    )
    await consumer.start()
    events: list[Event] = []
    records: list[Any] = []
    try:
        async with asyncio.timeout(30):
            while True:
                more = [one for part in (await consumer.getmany(timeout_ms=500)).values() for one in part]
                records += more
                events += [decode(record.value, record.headers) for record in more]
                if not more and wanted(events):
                    return events, records
    finally:
        await consumer.stop()


def kinds(events: list[Event], subject: str) -> list[str]:
    return [event.type.removeprefix("polku.") for event in events if event.subject == subject]


async def test_posted_answered_and_said(
    app: FastAPI,
    desk: Desk,
    sender: Sender,
    sign_in: SignIn,
    kafka_environment: dict[str, object],
    effects: Effects,
) -> None:
    settings = app.state.settings.model_copy(update={"kafka": kafka_environment["kafka"]})
    told = await sender.sent()
    me = await sign_in(COORDINATOR)
    assert (await me.command(f"/referrals/{told['id']}/accept", {}, 1)).status_code == 200
    kept = await desk.repository.get(told["id"], {})
    assert kept is not None
    person = kept.referral.person_id
    begun = ParticipationStarted(
        pathway_id="pathway-1", person_id=person, programme="kainuu", started_on=date(2026, 3, 2)
    )

    worker, stop, publisher = create_worker(settings, effects=effects), asyncio.Event(), KafkaPublisher(settings)
    running = asyncio.create_task(worker.run(stop))
    try:
        for _ in range(3):
            await (await publisher.send(settings.topic("pathway.events"), encode(event(begun))))

        def all_there(events: list[Event]) -> bool:
            return len(kinds(events, told["id"])) >= 2 and bool(kinds(events, person))

        events, records = await heard(settings, all_there)

        async def drained() -> bool:
            names = ("referrals", "persons", "organisations", "staff")
            full = [await app.state.database[name].count_documents({"outbox.0": {"$exists": True}}) for name in names]
            return not any(full)

        await until(drained)
        assert await worker.ready() is None
    finally:
        stop.set()
        await running
        await publisher.stop()

    assert kinds(events, told["id"]) == ["referral.received.v1", "referral.accepted.v1"]
    assert kinds(events, person) == ["person.age-stated.v1"]
    assert {record.key for record in records if b"age-stated" in dict(record.headers)["ce_type"]} == {person.encode()}
    (stated,) = [one for one in events if one.subject == person]
    assert (stated.causation_id, stated.correlation_id) == ("event-1", "correlation")
    assert sorted(kinds(events, staff_id)[0] for staff_id in STAFF) == ["staff.changed.v1"] * len(STAFF)
    # What leaves the house: not a word of the person, in values, keys or headers.
    for record in records:
        everything = b"\n".join([record.key, record.value, *(value for _, value in record.headers)]).decode()
        assert leaks(everything) == []
        assert "1994" not in everything
        assert "Ohjaaja" not in everything  # nor the name of a colleague
