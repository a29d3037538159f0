"""`polku status`: how each child is, what waits where."""

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from polku_activities import consumer as activities
from polku_embedded import kafka, mongodb
from polku_embedded.folder import DataFolder
from polku_embedded.ports import Ports
from polku_embedded.supervisor import healthy
from polku_indicators import consumer as indicators
from polku_pathway import consumer as pathway
from polku_referral import consumer as referral
from polku_referral.webhooks.endpoints import open_webhooks
from polku_referral.webhooks.trouble import Troubled, in_trouble
from polku_runtime import mongo
from polku_runtime.dead_letters import DeadLetters
from polku_runtime.effects import Effects, system_effects
from polku_runtime.settings import Settings, load
from polku_runtime.trouble import is_infrastructure

T = TypeVar("T")
STOPPED = "stopped"
ASK_S = 4.0
HEARS: Mapping[str, Sequence[str]] = {
    "referral": referral.TOPICS,
    "pathway": pathway.TOPICS,
    "activities": activities.TOPICS,
    "indicators": indicators.TOPICS,
}


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
    """lag: records not consumed yet. outbox_seconds: age of the oldest unpublished event. None: nobody answers."""

    name: str
    lag: int | None
    outbox_seconds: float | None
    dead_letters: int | None


@dataclass(frozen=True)
class Status:
    phase: str
    address: str
    children: list[ChildStatus]
    services: list[ServiceStatus]
    webhooks: list[Troubled] | None
    """Those that somebody must look at; None: nobody answers."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


async def status(folder: DataFolder) -> Status:
    """The present state, asked of the servers themselves. Services are listed while something runs."""
    said: dict[str, Any] = folder.state() if folder.holder() else {"phase": STOPPED}
    phase = said["phase"]
    if phase == STOPPED:
        return Status(phase, "", [], [], [])
    ports = Ports(**folder.kept_ports())
    answering = await _answering(ports)
    children = [_child(name, child, answering) for name, child in said["children"].items()]
    if phase == "ready" and not all(child.ready for child in children):
        phase = "not ready"
    said_by_services, webhooks = await waiting(load(Settings))
    return Status(phase, f"http://127.0.0.1:{ports.web}", children, said_by_services, webhooks)


async def _answering(ports: Ports) -> dict[str, bool]:
    asked = {
        "kafka": kafka.answers(ports.kafka),
        "mongod": mongodb.answers(ports.mongo),
        "web": healthy(ports.web),
        "worker": healthy(ports.worker),
    }
    answers = await asyncio.gather(*(_known(question) for question in asked.values()))
    return dict(zip(asked, map(bool, answers), strict=True))


def _child(name: str, said: Mapping[str, Any], answering: Mapping[str, bool]) -> ChildStatus:
    pid = said["pid"]
    try:
        memory = psutil.Process(pid).memory_info().rss // 2**20 if pid else 0
    except psutil.NoSuchProcess:
        memory = 0
    uptime = int(time.time() - said["started_at"]) if pid else 0
    return ChildStatus(name, answering.get(name, said["ready"]), pid, uptime, said["restarts"], memory)


async def waiting(settings: Settings) -> tuple[list[ServiceStatus], list[Troubled] | None]:
    """What waits in each service, None for what a server that does not answer would know; webhooks in trouble."""
    effects = system_effects()
    client = mongo.connect(settings)
    try:
        lags = await _known(consumer_lags(settings)) or {}
        hooks = open_webhooks(mongo.database(client, settings, "referral"), effects)
        services, webhooks = await asyncio.gather(
            asyncio.gather(*(_service(settings, client, name, lags.get(name), effects) for name in HEARS)),
            _known(in_trouble(hooks)),
        )
        return services, webhooks
    finally:
        await client.close()


async def _service(
    settings: Settings, client: mongo.Client, name: str, lag: int | None, effects: Effects
) -> ServiceStatus:
    database = mongo.database(client, settings, name)
    age = await _known(oldest_pending(database, effects))
    # Without lags there is no broker to ask for dead letters either.
    letters = await _known(DeadLetters(settings, name, database, effects).list()) if lag is not None else None
    return ServiceStatus(name, lag, age, None if letters is None else len(letters))


async def _known(question: Awaitable[T]) -> T | None:
    try:
        async with asyncio.timeout(ASK_S):
            return await question
    except Exception as error:
        if not is_infrastructure(error):
            raise
        return None


async def oldest_pending(database: mongo.Database, effects: Effects) -> float:
    """Age in seconds of the oldest event that waits in any outbox of a service."""
    waiting = [
        found["pending_since"]
        for name in await database.list_collection_names()
        if (found := await database[name].find_one({"pending_since": {"$exists": True}}, sort=[("pending_since", 1)]))
    ]
    return max(((effects.now() - since).total_seconds() for since in waiting), default=0.0)


async def consumer_lags(settings: Settings) -> dict[str, int]:
    """Records that each service's group has not committed, over all its topics; from the start of a topic it is
    new to.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka, enable_auto_commit=False)
    try:
        await admin.start()
        await consumer.start()
        return {service: await _lag(admin, consumer, settings, service, heard) for service, heard in HEARS.items()}
    finally:
        await admin.close()
        await consumer.stop()


async def _lag(
    admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, settings: Settings, service: str, heard: Sequence[str]
) -> int:
    topics = [settings.topic(name) for name in (*(f"{one}.events" for one in heard), f"{service}.redrive")]
    parts = [
        TopicPartition(topic["topic"], partition["partition"])
        for topic in await admin.describe_topics(topics)
        for partition in topic["partitions"]
    ]
    committed = await admin.list_consumer_group_offsets(settings.topic(service), partitions=parts)
    starts, ends = await consumer.beginning_offsets(parts), await consumer.end_offsets(parts)
    reached = {part: committed[part].offset if part in committed else -1 for part in parts}
    return sum(max(0, ends[part] - max(reached[part], starts[part])) for part in parts)
