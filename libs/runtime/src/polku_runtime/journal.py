"""The journal: every event that a service has published, for good. `_id` is the event id."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from pymongo import ASCENDING, InsertOne
from pymongo.errors import BulkWriteError

from polku_events import EVENT_TYPES, Event
from polku_runtime.mongo import Database, Document, only_duplicates


class Journal(Protocol):
    """Where the relay keeps events before it publishes them."""

    async def keep(self, events: Sequence[Document]) -> None: ...

    def replay(self) -> AsyncIterator[Event]: ...


class MongoJournal:
    """The journal in the service's own database."""

    def __init__(self, database: Database) -> None:
        self.collection = database["journal"]

    async def create_indexes(self) -> None:
        await self.collection.create_index([("subject", ASCENDING), ("version", ASCENDING)], name="by_aggregate")

    async def keep(self, events: Sequence[Document]) -> None:
        """Inserts what is not there yet; repeating is harmless."""
        rows = [InsertOne({"_id": event["id"], **{k: v for k, v in event.items() if k != "id"}}) for event in events]
        try:
            await self.collection.bulk_write(rows, ordered=False)
        except BulkWriteError as error:
            only_duplicates(error)

    async def replay(self) -> AsyncIterator[Event]:
        """All events in the order of their ids, which is the order of their making within an aggregate."""
        async for row in self.collection.find({}).sort("_id", ASCENDING):
            yield restored({"id": row["_id"], **row})


def restored(row: Document) -> Event:
    """An event from its outbox or journal form."""
    kind = EVENT_TYPES[row["type"]]
    fields = {name: value for name, value in row.items() if name not in ("_id", "data")}
    return Event(**fields, data=kind.model_validate(row["data"]))
