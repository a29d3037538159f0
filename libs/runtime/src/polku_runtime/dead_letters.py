"""Dead letters: records that can never be applied, kept raw with where they came from and why.

The topic `<namespace>.<service>.dlq` is the store; what was redriven or dropped is marked in MongoDB, since
nothing can be taken out of a log. Redrive copies the untouched record to the service's own redrive topic.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Literal, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from polku_runtime.effects import Effects
from polku_runtime.mongo import Database
from polku_runtime.outcomes import Dead
from polku_runtime.settings import Settings

Headers = Sequence[tuple[str, bytes | None]]
OWN = "dlq_"
ORIGIN = ("dlq_topic", "dlq_partition", "dlq_offset")
REASONS = {
    "missing-header": "a CloudEvents header that we need is not there",
    "bad-header": "a header cannot be read",
    "wrong-content-type": "the body is not JSON in binary mode",
    "not-json": "the body is not JSON",
    "invalid-data": "the body does not fit the event's schema",
    "no-body": "there is no body",
    "handler-error": "our own code failed on it; dlq_error names the error",
}
"""Reasons that the runtime gives; a service may refuse with a code of its own."""


class RawRecord(Protocol):
    """What we need of a Kafka record."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True)
class DeadLetter:
    """One dead letter as people see it: no key and no body, they may hold anything."""

    id: str
    reason: str
    error: str
    event_type: str
    event_id: str
    origin: str
    failed_at: str
    size: int
    state: Literal["dead", "redriven", "dropped"]


def to_headers(record: RawRecord, dead: Dead, group: str, now: datetime) -> list[tuple[str, bytes]]:
    """The record's own headers untouched, then its origin and the reason."""
    # A redriven record that dies again keeps the origin of its first life.
    known = {name for name, _ in record.headers}
    origin = {
        "dlq_topic": record.topic,
        "dlq_partition": str(record.partition),
        "dlq_offset": str(record.offset),
    }
    said = {
        **{name: value for name, value in origin.items() if name not in known},
        "dlq_group": group,
        "dlq_reason": dead.reason,
        "dlq_error": dead.error,
        "dlq_service_version": version("polku-runtime"),
        "dlq_failed_at": now.isoformat(),
    }
    kept = [(name, value or b"") for name, value in record.headers if name not in said]
    return [*kept, *((name, value.encode()) for name, value in said.items())]


class DeadLetters:
    """Reading, redriving and dropping the dead letters of one service."""

    def __init__(self, settings: Settings, service: str, database: Database, effects: Effects) -> None:
        self.settings = settings
        self.topic = settings.topic(f"{service}.dlq")
        self.redrive_topic = settings.topic(f"{service}.redrive")
        self.marks = database["dead_letter_marks"]
        self.effects = effects

    async def list(self) -> list[DeadLetter]:
        """All that are neither redriven nor dropped, oldest first."""
        return [letter async for letter, _ in self._read() if letter.state == "dead"]

    async def show(self, letter_id: str) -> tuple[DeadLetter, RawRecord] | None:
        """One letter with its raw record, whatever its state."""
        async for letter, record in self._read():
            if letter.id == letter_id:
                return letter, record
        return None

    async def redrive(self, ids: Sequence[str] | None = None) -> int:
        """Sends letters (all when None) to the redrive topic, oldest first; answers how many."""
        producer = AIOKafkaProducer(bootstrap_servers=self.settings.kafka, acks="all")
        await producer.start()
        sent = 0
        try:
            async for letter, record in self._read():
                if letter.state == "dead" and (ids is None or letter.id in ids):
                    headers = [(n, v or b"") for n, v in record.headers if not n.startswith(OWN) or n in ORIGIN]
                    await producer.send_and_wait(
                        self.redrive_topic, value=record.value, key=record.key, headers=headers
                    )
                    await self._mark(letter.id, "redriven")
                    sent += 1
        finally:
            await producer.stop()
        return sent

    async def drop(self, ids: Sequence[str]) -> int:
        """Marks letters as dropped; answers how many."""
        found = {letter.id for letter in await self.list()} & set(ids)
        for letter_id in found:
            await self._mark(letter_id, "dropped")
        return len(found)

    async def _mark(self, letter_id: str, state: str) -> None:
        await self.marks.update_one(
            {"_id": letter_id}, {"$set": {"state": state, "at": self.effects.now()}}, upsert=True
        )

    async def _read(self) -> AsyncIterator[tuple[DeadLetter, RawRecord]]:
        marks = {mark["_id"]: mark["state"] async for mark in self.marks.find({})}
        async for record in read_topic(self.settings.kafka, self.topic):
            headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
            letter_id = f"{record.partition}-{record.offset}"
            yield (
                DeadLetter(
                    id=letter_id,
                    reason=headers.get("dlq_reason", ""),
                    error=headers.get("dlq_error", ""),
                    event_type=headers.get("ce_type", ""),
                    event_id=headers.get("ce_id", ""),
                    origin=" ".join(headers.get(name, "") for name in ORIGIN),
                    failed_at=headers.get("dlq_failed_at", ""),
                    size=len(record.value or b""),
                    state=marks.get(letter_id, "dead"),
                ),
                record,
            )


async def read_topic(bootstrap: str, topic: str) -> AsyncIterator[RawRecord]:
    """Every record that a topic holds now, from the beginning to its present end, without a group."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest", enable_auto_commit=False
    )
    try:
        await consumer.start()
        partitions = consumer.assignment()
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(p) < ends[p] for p in partitions]):
            for batch in (await consumer.getmany(timeout_ms=500)).values():
                for record in batch:
                    if record.offset < ends[TopicPartition(record.topic, record.partition)]:
                        yield record
    finally:
        await consumer.stop()
