"""Where things stand in the database.

facts            one row per event, `_id` = event id, never changed
subjects_<view>  {_id: person or session id, partition, state, adds: [{programme, counted, tallies}]}
counters         {_id: "<view>:<programme>:<partition>", n: {code: {gender: number}}, updated_at}
progress         {_id: "<view>:<partition>", view, partition, next: {topic: offset}, seq, at}: how far each has come
pointers         {_id: "live", view, rules} says which view is read; {_id: "numbers", last} numbers new ones
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.partitioner import murmur2
from pymongo import ASCENDING
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection

from polku_runtime.mongo import Client, Database, Document
from polku_runtime.outcomes import Received

LIVE = "live"
FIRST_VIEW = 1
HEARD = ("referral", "pathway", "activities")
"""The services whose topics the figures are made of."""
PARTITIONS = 12
"""The same in every topic and never changed in place: counters are kept by it."""


@dataclass(frozen=True)
class Topics:
    """Full topic names (`polku.referral.events`) and the short ones that the database keeps (`referral`)."""

    short: Mapping[str, str]

    @staticmethod
    def of(namespace: str) -> "Topics":
        return Topics({f"{namespace}.{service}.events": service for service in HEARD})

    def place(self, received: Received) -> tuple[str | None, int]:
        """Short topic and partition of a record; a redriven one has no topic."""
        key = received.event.partition_key
        return self.short.get(received.topic), self.partition(received.topic, received.partition, key)

    def partition(self, topic: str, partition: int, key: str) -> int:
        """The partition whose counters a record belongs to; a redriven record's key says it."""
        return partition if topic in self.short else partition_of(key)


def partition_of(key: str) -> int:
    """Where Kafka's default partitioner puts a key."""
    return int(murmur2(key.encode()) & 0x7FFFFFFF) % PARTITIONS


@dataclass(frozen=True)
class Store:
    """The service's database with its collections."""

    client: Client
    database: Database

    @property
    def facts(self) -> AsyncCollection[Document]:
        return self.database["facts"]

    @property
    def counters(self) -> AsyncCollection[Document]:
        return self.database["counters"]

    @property
    def pointers(self) -> AsyncCollection[Document]:
        return self.database["pointers"]

    @property
    def progress(self) -> AsyncCollection[Document]:
        return self.database["progress"]

    def subjects(self, view: int) -> AsyncCollection[Document]:
        return self.database[f"subjects_{view}"]

    async def create_indexes(self) -> None:
        """By subject: what is behind one person's place in a figure."""
        await self.facts.create_index([("subject", ASCENDING)], name="by_subject")

    async def live(self, session: AsyncClientSession | None = None) -> tuple[int, str | None]:
        """The view that is read and the fingerprint of the rules it was judged by."""
        pointer = await self.pointers.find_one({"_id": LIVE}, session=session)
        return live_of(pointer)

    async def positions(self, view: int, session: AsyncClientSession | None = None) -> dict[int, dict[str, int]]:
        """Next offset by partition and short topic: everything below it is in the view."""
        cursor = self.progress.find({"view": view}, session=session)
        return {document["partition"]: document["next"] async for document in cursor}


def live_of(pointer: Mapping[str, Any] | None) -> tuple[int, str | None]:
    return (FIRST_VIEW, None) if pointer is None else (pointer["view"], pointer.get("rules"))


def position_id(view: int, partition: int) -> str:
    return f"{view}:{partition}"


def counter_id(view: int, programme: str, partition: int) -> str:
    return f"{view}:{programme}:{partition}"


def fact_of(received: Received, subject: str, now: Any) -> Document:
    """The row that keeps an event."""
    event = received.event
    return {
        "_id": event.id,
        "type": event.type,
        "version": event.version,
        "subject": subject,
        "data": event.data.model_dump(mode="json"),
        "occurred_at": event.time,
        "recorded_at": now,
        "topic": received.topic,
        "partition": received.partition,
        "offset": received.offset,
    }


def increments(counters: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """`$inc` paths of a difference of counters; zeros are left out."""
    return {
        f"n.{code}.{gender}": number
        for code, genders in counters.items()
        for gender, number in genders.items()
        if number
    }


def chunks(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
