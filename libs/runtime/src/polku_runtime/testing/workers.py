"""A worker on real Kafka: run for a while, told of events, and listened to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer

from polku_events import Event, decode, encode
from polku_runtime.publisher import KafkaPublisher
from polku_runtime.settings import Settings
from polku_runtime.worker import Worker


async def until(holds: Callable[[], Awaitable[object]], seconds: float = 30) -> None:
    """Asks again and again. Raises TimeoutError when it never holds."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - it may be another process that makes it hold
            await asyncio.sleep(0.05)


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[Worker]:
    """The worker runs while the block does."""
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await running


async def tell(settings: Settings, topic: str, *events: Event) -> None:
    """Publishes to `<namespace>.<topic>`, in this order; done when the broker has them."""
    publisher = KafkaPublisher(settings)
    try:
        for event in events:
            await (await publisher.send(settings.topic(topic), encode(event)))
    finally:
        await publisher.stop()


async def heard(settings: Settings, topic: str, count: int, seconds: float = 30) -> list[Event]:
    """The first `count` events of a topic. Raises AssertionError when more come: something was said twice."""
    consumer = AIOKafkaConsumer(settings.topic(topic), bootstrap_servers=settings.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(seconds):
            records = [await consumer.getone() for _ in range(count)]
            more = await consumer.getmany(timeout_ms=500)
    finally:
        await consumer.stop()
    assert not more, "an event was said twice"
    return [decode(record.value, record.headers) for record in records]
