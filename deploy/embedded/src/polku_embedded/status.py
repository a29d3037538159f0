"""`polku status`: how each child is, what waits where."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from polku_embedded.folder import DataFolder
from polku_embedded.supervisor import SERVICES
from polku_runtime import mongo
from polku_runtime.dead_letters import DeadLetters
from polku_runtime.effects import Effects, system_effects
from polku_runtime.settings import Settings, load


@dataclass(frozen=True)
class ChildStatus:
    name: str
    ready: bool
    pid: int | None
    uptime_seconds: int
    restarts: int
    memory_mb: int


@dataclass(frozen=True)
class ServiceStatus:
    """lag: records not consumed yet. outbox_seconds: age of the oldest unpublished event."""

    name: str
    lag: int
    outbox_seconds: float
    dead_letters: int


@dataclass(frozen=True)
class Status:
    phase: str
    address: str
    children: list[ChildStatus]
    services: list[ServiceStatus]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


async def status(folder: DataFolder) -> Status:
    """The present state. Services are listed only while everything is up."""
    said: dict[str, Any] = folder.state() if folder.holder() else {"phase": "stopped"}
    children = [_child(name, child) for name, child in said.get("children", {}).items()]
    services: list[ServiceStatus] = []
    if said["phase"] == "ready":
        settings = load(Settings)
        effects = system_effects()
        client = mongo.connect(settings)
        try:
            lags = await consumer_lags(settings)
            services = list(
                await asyncio.gather(*(_service(settings, client, name, lags, effects) for name in SERVICES))
            )
        finally:
            await client.close()
    return Status(said["phase"], f"http://127.0.0.1:{said.get('web', '')}", children, services)


def _child(name: str, said: Mapping[str, Any]) -> ChildStatus:
    pid = said["pid"]
    try:
        memory = psutil.Process(pid).memory_info().rss // 2**20 if pid else 0
    except psutil.NoSuchProcess:
        memory = 0
    uptime = int(time.time() - said["started_at"]) if pid else 0
    return ChildStatus(name, said["ready"], pid, uptime, said["restarts"], memory)


async def _service(
    settings: Settings, client: mongo.Client, name: str, lags: Mapping[str, int], effects: Effects
) -> ServiceStatus:
    database = mongo.database(client, settings, name)
    letters = await DeadLetters(settings, name, database, effects).list()
    return ServiceStatus(name, lags[name], await oldest_pending(database, effects), len(letters))


async def oldest_pending(database: mongo.Database, effects: Effects) -> float:
    """Age in seconds of the oldest event that waits in any outbox of a service."""
    waiting = [
        found["pending_since"]
        for name in await database.list_collection_names()
        if (found := await database[name].find_one({"pending_since": {"$exists": True}}, sort=[("pending_since", 1)]))
    ]
    return max(((effects.now() - since).total_seconds() for since in waiting), default=0.0)


async def consumer_lags(settings: Settings) -> dict[str, int]:
    """Records that each service's group has not committed, over all its topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False)
    await admin.start()
    await consumer.start()
    try:
        lags = {}
        for service in SERVICES:
            committed = await admin.list_consumer_group_offsets(settings.topic(service))
            parts: list[TopicPartition] = list(committed)
            ends = await consumer.end_offsets(parts) if parts else {}
            lags[service] = sum(max(0, ends[part] - max(committed[part].offset, 0)) for part in parts)
        return lags
    finally:
        await admin.close()
        await consumer.stop()
