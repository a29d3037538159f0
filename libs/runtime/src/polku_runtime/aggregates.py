"""Writing: one aggregate, one document, one atomic update, its events in the same document.

A document holds the state's fields, `version`, `outbox` (events not published yet) and, while the
outbox is not empty, `pending_since`. The relay empties the outbox; see `relay.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from pymongo import ASCENDING, ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection

from polku_events import Aggregate, Event, EventData, service_of
from polku_runtime import causes
from polku_runtime.effects import Effects
from polku_runtime.mongo import Document

M = TypeVar("M", bound=Aggregate)
Filter = Mapping[str, Any]

PENDING_INDEX = "outbox_pending"
HOUSEKEEPING = ("outbox", "pending_since")


class LostRace(Exception):
    """Somebody else changed the aggregate first (or it is not in the caller's scope any more)."""

    def __init__(self, present: Aggregate | None) -> None:
        super().__init__("the aggregate has changed meanwhile")
        self.present = present


class Aggregates(Generic[M]):
    """Loads and saves one kind of aggregate of one service.

    `scope` is a filter that says what the caller may see; it is part of the query, so that forbidden
    and unknown are the same. `extra` are fields beside the state (search keys, encrypted blobs).
    """

    def __init__(self, collection: AsyncCollection[Document], model: type[M], effects: Effects) -> None:
        self.collection = collection
        self.model = model
        self.effects = effects

    async def create_indexes(self) -> None:
        """The partial index by which the relay finds full outboxes; small however many aggregates there are."""
        await self.collection.create_index(
            [("pending_since", ASCENDING)],
            name=PENDING_INDEX,
            partialFilterExpression={"pending_since": {"$exists": True}},
        )

    def load(self, document: Document) -> M:
        return self.model.model_validate({**document, "id": document["_id"]})

    async def get(self, aggregate_id: str, scope: Filter | None = None) -> M | None:
        document = await self.collection.find_one({**(scope or {}), "_id": aggregate_id}, _WITHOUT_OUTBOX)
        return None if document is None else self.load(document)

    async def find(self, where: Filter, *, sort: Sequence[tuple[str, int]], limit: int, skip: int = 0) -> list[M]:
        cursor = self.collection.find(dict(where), _WITHOUT_OUTBOX).sort(list(sort)).skip(skip).limit(limit)
        return [self.load(document) async for document in cursor]

    def document(self, aggregate: M, events: Sequence[EventData], extra: Filter | None = None) -> Document:
        """The whole document of a new aggregate, for callers that insert many at once."""
        state = _state(aggregate, extra)
        outbox = self._outbox(aggregate, events, 0)
        pending = {"pending_since": self.effects.now()} if outbox else {}
        return {"_id": aggregate.id, **state, "outbox": outbox, **pending}

    async def add(self, aggregate: M, events: Sequence[EventData], extra: Filter | None = None) -> M:
        """Inserts a new aggregate. Raises DuplicateKeyError when its id or another unique key is taken."""
        await self.collection.insert_one(self.document(aggregate, events, extra))
        return aggregate

    async def save(
        self,
        before: M,
        after: M,
        events: Sequence[EventData],
        *,
        scope: Filter | None = None,
        extra: Filter | None = None,
    ) -> M:
        """Replaces `before` by `after` if nobody was faster, and appends the events to the outbox.

        Raises LostRace, with the present state if the caller may see it.
        """
        outbox = self._outbox(after, events, before.version)
        saved = await self.collection.find_one_and_update(
            {**(scope or {}), "_id": before.id, "version": before.version},
            {
                "$set": _state(after, extra),
                "$push": {"outbox": {"$each": outbox}},
                **({"$min": {"pending_since": self.effects.now()}} if outbox else {}),
            },
            projection={"_id": True},
            return_document=ReturnDocument.AFTER,
        )
        if saved is None:
            raise LostRace(await self.get(before.id, scope))
        return after

    def _outbox(self, aggregate: M, events: Sequence[EventData], before: int) -> list[Document]:
        if aggregate.version != before + len(events):
            raise ValueError(f"{len(events)} events cannot take version {before} to {aggregate.version}")
        now = self.effects.now()
        cause = causes.present() or causes.Cause(correlation_id=self.effects.new_id())
        traceparent = causes.traceparent()
        return [
            stored(
                Event(
                    id=self.effects.new_id(),
                    type=data.TYPE,
                    source=f"/polku/{service_of(data.TYPE)}",
                    subject=aggregate.id,
                    time=now,
                    minor=data.MINOR,
                    version=before + number,
                    correlation_id=cause.correlation_id,
                    causation_id=cause.causation_id,
                    partition_key=data.partition_key,
                    traceparent=traceparent,
                    data=data,
                    test=aggregate.test,
                )
            )
            for number, data in enumerate(events, start=1)
        ]


_WITHOUT_OUTBOX = dict.fromkeys(HOUSEKEEPING, False)


def _state(aggregate: Aggregate, extra: Filter | None) -> Document:
    return {**aggregate.model_dump(exclude={"id"}), **(extra or {})}


def stored(event: Event) -> Document:
    """An event as it stands in an outbox and, with its id as `_id`, in the journal."""
    return {
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "subject": event.subject,
        "time": event.time,
        "minor": event.minor,
        "version": event.version,
        "correlation_id": event.correlation_id,
        "causation_id": event.causation_id,
        "partition_key": event.partition_key,
        "traceparent": event.traceparent,
        "data": event.data.model_dump(mode="json"),
        "test": event.test,
    }
