"""The relay: takes events from outboxes to the journal and to Kafka. A crash at any point repeats, never loses."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from pymongo import ASCENDING, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.cursor import AsyncCursor

from polku_events import encode, topic_of
from polku_runtime import telemetry
from polku_runtime.aggregates import PENDING_INDEX
from polku_runtime.effects import Effects
from polku_runtime.journal import Journal, restored
from polku_runtime.metrics import Metrics
from polku_runtime.mongo import Document
from polku_runtime.publisher import Publisher
from polku_runtime.settings import Settings
from polku_runtime.trouble import is_infrastructure, name_of
from polku_runtime.waking import woken_within

ROUND = 200
"""Aggregates a round: a million waiting ones must not fill the memory."""
BACKOFF_S, BACKOFF_MAX_S = 0.1, 5.0

log = logging.getLogger(__name__)
Hold = Callable[[], Awaitable[bool]]


class Relay:
    """Empties the outboxes of `collections`, oldest first."""

    def __init__(
        self,
        *,
        service: str,
        settings: Settings,
        collections: Sequence[AsyncCollection[Document]],
        journal: Journal,
        publisher: Publisher,
        effects: Effects,
        metrics: Metrics,
    ) -> None:
        self.service = service
        self.settings = settings
        self.collections = collections
        self.journal = journal
        self.publisher = publisher
        self.effects = effects
        self.metrics = metrics
        self.failures = 0

    async def drain(self) -> int:
        """Publishes until nothing is pending; answers how many events went out."""
        sent = 0
        for collection in self.collections:
            while count := await self._round(collection):
                sent += count
        return sent

    async def run(self, wake: asyncio.Event, hold: Hold, poll_s: float) -> None:
        """Drains whenever woken, and every `poll_s` seconds in case a wake was lost. Ends by cancellation."""
        while True:
            try:
                if await hold():
                    await self.drain()
                self.failures = 0
            except Exception as error:
                if not is_infrastructure(error):
                    log.exception("relay round failed")
                self.failures += 1
                self.metrics.relay_errors.labels(self.service).inc()
                said = {"service": self.service, "error": name_of(error), "attempt": self.failures}
                log.warning("relay will repeat", extra=said)
                await self.publisher.reset()
                pause = min(BACKOFF_S * 2 ** min(self.failures, 8), BACKOFF_MAX_S)
                await asyncio.sleep(pause * self.effects.random.uniform(0.5, 1.0))
                continue
            if await woken_within(wake, poll_s):
                wake.clear()

    async def age(self) -> float:
        """Seconds since the oldest unpublished event was made; 0 when nothing waits."""
        oldest = [
            document["pending_since"]
            for collection in self.collections
            async for document in _pending(collection).limit(1)
        ]
        return max(((self.effects.now() - since).total_seconds() for since in oldest), default=0.0)

    async def _round(self, collection: AsyncCollection[Document]) -> int:
        documents = [document async for document in _pending(collection).limit(ROUND)]
        outboxes = {document["_id"]: document["outbox"] for document in documents}
        rows = [row for outbox in outboxes.values() for row in outbox]
        if not rows:
            return 0
        await self.journal.keep(rows)
        await self._publish(rows)
        await collection.bulk_write(
            [
                UpdateOne({"_id": aggregate_id}, _without([row["id"] for row in outbox]))
                for aggregate_id, outbox in outboxes.items()
            ],
            ordered=False,
        )
        self.metrics.published.labels(self.service).inc(len(rows))
        return len(rows)

    async def _publish(self, rows: Sequence[Document]) -> None:
        """Sends all, in order, without waiting in between; returns when all are acknowledged."""
        acknowledgements: list[Awaitable[object]] = []
        for row in rows:
            event = restored(row)
            topic = self.settings.topic(topic_of(event.type))
            with telemetry.publishing(event, topic) as traceparent:
                record = encode(replace(event, traceparent=traceparent))
                acknowledgements.append(await self.publisher.send(topic, record))
        await asyncio.gather(*acknowledgements)


def _pending(collection: AsyncCollection[Document]) -> AsyncCursor[Document]:
    return (
        collection.find({"pending_since": {"$exists": True}}, {"outbox": True, "pending_since": True})
        .sort("pending_since", ASCENDING)
        .hint(PENDING_INDEX)
    )


def _without(event_ids: Sequence[str]) -> list[Document]:
    """Takes exactly these events out; an outbox that is empty then is not pending any more."""
    rest = {"$filter": {"input": "$outbox", "cond": {"$not": {"$in": ["$$this.id", list(event_ids)]}}}}
    return [
        {"$set": {"outbox": rest}},
        {
            "$set": {
                "pending_since": {
                    "$cond": [{"$eq": ["$outbox", []]}, "$$REMOVE", {"$first": "$outbox.time"}],
                }
            }
        },
    ]
