"""What is measured on the topics: live consumption with its effects, and the rebuild beside bare counting."""

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from cryptography.fernet import Fernet

from bench.figure import Figure
from bench.history import PER_PERSON, records
from polku_embedded import servers
from polku_events import EVENT_TYPES
from polku_indicators.app import create_worker
from polku_indicators.catalogue import load_rules
from polku_indicators.consumer import TOPICS
from polku_indicators.rebuild import rebuild
from polku_indicators.repository import Store
from polku_indicators.settings import IndicatorsSettings
from polku_runtime import mongo, topics
from polku_runtime.effects import system_effects
from polku_runtime.worker import Worker

EVENTS = int(os.environ.get("BENCH_EVENTS", "300000"))
WINDOW = 5000
OUTCOMES = ("applied", "duplicate", "skipped", "dead")


def measure(folder: Path) -> Iterator[Figure]:
    with servers.kafka(folder / "kafka") as kafka, servers.mongod(folder / "mongod") as uri:
        settings = IndicatorsSettings.model_validate(
            {"kafka": kafka, "mongo": uri, "session_keys": Fernet.generate_key().decode()}
        )
        yield from asyncio.run(_measure(settings))


async def _measure(settings: IndicatorsSettings) -> list[Figure]:
    plan = topics.read(Path("deploy/kafka/topics.yaml"))
    await topics.apply(settings.kafka, settings.namespace, plan, single_node=True)
    total = await _fill(settings)
    live = await _consume(settings, total)
    ceiling = await _count(settings, total)
    client = mongo.connect(settings)
    store = Store(client, mongo.database(client, settings, "indicators"))
    outcome = await rebuild(store, settings, load_rules(), system_effects())
    await client.close()
    assert outcome.equal, "the rebuild is not what is live"
    rate = outcome.records / outcome.seconds
    return [
        Figure("live consumption with effects in MongoDB", live, "events/s", at_least=10_000),
        Figure(
            "rebuild of the figures from the topics", rate, "events/s", ceiling, "aiokafka + pydantic counting",
            least_share=0.5,
        ),
    ]  # fmt: skip


async def _fill(settings: IndicatorsSettings) -> int:
    total = 0
    waiting = []
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all", linger_ms=5) as producer:
        for topic, record in records(EVENTS // PER_PERSON):
            sent = await producer.send(
                settings.topic(topic), value=record.value, key=record.key, headers=record.headers
            )
            waiting.append(sent)
            total += 1
            if len(waiting) == WINDOW:
                await asyncio.gather(*waiting)
                waiting.clear()
        await asyncio.gather(*waiting)
    return total


async def _consume(settings: IndicatorsSettings, total: int) -> float:
    """Events a second from the first that is done to the last, as the worker's own counters say."""
    worker = create_worker(settings)
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    while _done(worker) == 0:
        await asyncio.sleep(0.01)
    began, first = time.perf_counter(), _done(worker)
    while _done(worker) < total:
        await asyncio.sleep(0.02)
    took = time.perf_counter() - began
    stop.set()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    return (total - first) / took


def _done(worker: Worker) -> float:
    """Records that this worker is done with, whatever became of them."""
    asked = worker.metrics.registry.get_sample_value
    counts = (asked("polku_records_total", {"service": "indicators", "outcome": outcome}) for outcome in OUTCOMES)
    return sum(count or 0.0 for count in counts)


async def _count(settings: IndicatorsSettings, total: int) -> float:
    """The ceiling: read everything, parse each body by its type, count."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
    )
    await consumer.start()
    parsers = {name.encode(): kind.__pydantic_validator__.validate_json for name, kind in EVENT_TYPES.items()}
    names = [settings.topic(f"{topic}.events") for topic in TOPICS]
    consumer.assign([TopicPartition(name, number) for name in names for number in range(12)])
    counts: dict[bytes, int] = {}
    began, seen = time.perf_counter(), 0
    while seen < total:
        for batch in (await consumer.getmany(timeout_ms=500)).values():
            for record in batch:
                kind = dict(record.headers)["ce_type"]
                parsers[kind](record.value)
                counts[kind] = counts.get(kind, 0) + 1
            seen += len(batch)
    took = time.perf_counter() - began
    await consumer.stop()
    return total / took
