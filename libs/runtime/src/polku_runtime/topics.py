"""`polku topics apply`: creates the topics of a file, and fails when the cluster differs from it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code
from pydantic import BaseModel, ConfigDict, Field

SETTLE_TRIES, SETTLE_S = 50, 0.1
"""Right after creation the first look meets UNKNOWN_TOPIC_OR_PARTITION while leaders are elected."""


class TopicPlan(BaseModel):
    """One topic as `deploy/kafka/topics.yaml` wants it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    partitions: int = Field(ge=1)
    replication: int = Field(ge=1)
    config: Mapping[str, str] = Field(default_factory=dict)


class TopicsFile(BaseModel):
    """`topics:` maps names without the installation's prefix (`referral.events`) to their plans."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topics: Mapping[str, TopicPlan]


@dataclass(frozen=True)
class Applied:
    """created: topics made now. drift: one sentence per difference that was left alone."""

    created: list[str] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)


def read(path: Path) -> TopicsFile:
    return TopicsFile.model_validate(yaml.safe_load(path.read_text("utf-8")))


async def apply(bootstrap: str, namespace: str, plan: TopicsFile, *, single_node: bool = False) -> Applied:
    """Creates missing topics and compares the others; never alters one.

    Partition counts are never changed in place: keys would move and a person's events lose their order.
    single_node: one broker cannot replicate, so replication and min.insync.replicas become 1.
    """
    wanted = {
        f"{namespace}.{name}": _on_one_node(topic) if single_node else topic for name, topic in plan.topics.items()
    }
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [name for name in wanted if name not in existing]
        await _create(admin, {name: wanted[name] for name in missing})
        drift = [line for name in wanted if name in existing for line in await _drift(admin, name, wanted[name])]
        return Applied(created=missing, drift=drift)
    finally:
        await admin.close()


def _on_one_node(topic: TopicPlan) -> TopicPlan:
    config = {name: value for name, value in topic.config.items() if name != "min.insync.replicas"}
    return TopicPlan(partitions=topic.partitions, replication=1, config=config)


async def _create(admin: AIOKafkaAdminClient, plans: Mapping[str, TopicPlan]) -> None:
    if not plans:
        return
    answer = await admin.create_topics(
        [
            NewTopic(name, plan.partitions, plan.replication, topic_configs=dict(plan.config))
            for name, plan in plans.items()
        ]
    )
    for error in answer.topic_errors:
        kind = for_code(error[1])
        if error[1] and kind is not TopicAlreadyExistsError:
            raise kind(error[2] if len(error) > 2 else error[0])
    for _ in range(SETTLE_TRIES):
        described = await admin.describe_topics(list(plans))
        if all(t["error_code"] == 0 and all(p["leader"] >= 0 for p in t["partitions"]) for t in described):
            return
        await asyncio.sleep(SETTLE_S)


async def _drift(admin: AIOKafkaAdminClient, name: str, plan: TopicPlan) -> list[str]:
    [described] = await admin.describe_topics([name])
    partitions = described["partitions"]
    lines = []
    if len(partitions) != plan.partitions:
        lines.append(f"{name}: {len(partitions)} partitions, the file says {plan.partitions}")
    replication = len(partitions[0]["replicas"]) if partitions else 0
    if replication != plan.replication:
        lines.append(f"{name}: replication {replication}, the file says {plan.replication}")
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    present = {entry[0]: entry[1] for answer in answers for resource in answer.resources for entry in resource[4]}
    lines += [
        f"{name}: {key} is {present.get(key)}, the file says {value}"
        for key, value in plan.config.items()
        if present.get(key) != value
    ]
    return lines
