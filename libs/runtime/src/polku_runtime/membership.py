"""How a worker joins its consumer group: FastStream's broker and its one batch subscriber."""

from collections.abc import Sequence
from typing import Any

from aiokafka import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER
from faststream.middlewares import AckPolicy

from polku_runtime.settings import Settings

POLL_MS = 30
"""FastStream waits this long and sleeps it again when there is nothing: idle latency against idle CPU."""
DRAIN_S = 10.0
"""For the batch in hand when the worker stops or its partitions leave."""


def membership(
    settings: Settings, service: str, topics: Sequence[str], listener: ConsumerRebalanceListener
) -> tuple[KafkaBroker, Any]:
    """The broker, not started yet, and its subscriber, which gives batches of raw records.

    service: names the group. topics: by their whole names. Acknowledging is the caller's.
    """
    group = settings.topic(service)
    broker = KafkaBroker(
        settings.kafka,
        client_id=f"{group}-worker",
        consumer_only=True,
        allow_auto_create_topics=False,
        apply_types=False,
        logger=None,
        graceful_timeout=DRAIN_S,
    )
    subscriber = broker.subscriber(
        *topics,
        group_id=group,
        batch=True,
        max_records=settings.batch_records,
        batch_timeout_ms=POLL_MS,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.MANUAL,
        # The same partition number of every topic goes to one worker: a person's events meet there.
        partition_assignment_strategy=[RangePartitionAssignor],
        session_timeout_ms=6_000,
        heartbeat_interval_ms=2_000,
        # Static membership (KIP-345): a worker that was killed comes back as the same member.
        group_instance_id=f"{group}-{settings.worker_id}" if settings.worker_id else None,
        listener=listener,
        parser=_lenient_parser,
        decoder=_records,
    )
    return broker, subscriber


async def _lenient_parser(message: tuple[Any, ...], original: Any) -> KafkaMessage:  # noqa: ARG001
    """FastStream's parser decodes headers and drops a record whose headers are not UTF-8; this one looks at nothing."""
    return KafkaMessage(raw_message=message, body=b"", consumer=FAKE_CONSUMER)


async def _records(message: KafkaMessage) -> tuple[Any, ...]:
    return message.raw_message
