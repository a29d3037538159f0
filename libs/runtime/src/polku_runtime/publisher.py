"""The thin port to Kafka's producer. aiokafka behind it, one record at a time, pipelined and keyed.

Never `send_batch` (or FastStream's `publish_batch`): it picks one random partition for all and breaks
the order of a person's events.
"""

import asyncio
from collections.abc import Awaitable
from typing import Protocol

from aiokafka import AIOKafkaProducer

from polku_events import Record
from polku_runtime.settings import Settings


class Publisher(Protocol):
    """Sends one record; the inner awaitable is done when the broker has acknowledged."""

    async def send(self, topic: str, record: Record) -> Awaitable[object]: ...

    async def reset(self) -> None: ...

    async def stop(self) -> None: ...


class KafkaPublisher:
    """A producer that starts when first used and can be thrown away: an idempotent producer that has seen
    OutOfOrderSequenceNumber never recovers (github.com/aio-libs/aiokafka/issues/1017).
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def send(self, topic: str, record: Record) -> Awaitable[object]:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self.settings.kafka,
                acks="all",
                enable_idempotence=True,
                request_timeout_ms=10_000,
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        acknowledged: Awaitable[object] = await self._producer.send(
            topic, value=record.value, key=record.key, headers=record.headers
        )
        return acknowledged

    async def reset(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            # stop() flushes first, which can wait for ever on a broker that is gone
            await asyncio.wait({asyncio.ensure_future(producer.stop())}, timeout=2)

    async def stop(self) -> None:
        await self.reset()
