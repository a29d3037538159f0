"""The topics folded in memory, up to given positions: lean, several partitions at once."""

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from pydantic import ValidationError

from polku_events import EventData
from polku_indicators.model.fold import FOLDED, State
from polku_indicators.repository.store import Topics
from polku_indicators.repository.switch import Positions
from polku_runtime.settings import Settings

FETCH_BYTES = 4 * 1024 * 1024
"""Per partition; the client's default of 1 MB makes three times the round trips."""
POLL_MS = 500
PATIENCE = 40
"""Empty polls in a row (20 s) after which the broker is taken to be gone."""

Progress = Callable[[int, int], None]
"""Called with records read and records to read."""


class HistoryMissing(Exception):
    """A topic does not reach back to its beginning any more: `polku republish` refills it from the journals."""


@dataclass
class Replay:
    """What the topics said. states by key; partitions: where each subject's counters belong."""

    states: dict[str, State] = field(default_factory=dict)
    partitions: dict[str, int] = field(default_factory=dict)
    records: int = 0
    folded: int = 0
    unreadable: int = 0


class _Reader:
    """How one event type is read: its validator, its fold, and the field with its subject."""

    def __init__(self, kind: type[EventData]) -> None:
        self.parse: Callable[..., Any] = kind.__pydantic_validator__.validate_json
        self.apply = FOLDED[kind]
        self.subject = "person_id" if "person_id" in kind.model_fields else "session_id"


async def replay(settings: Settings, topics: Topics, until: Positions, progress: Progress | None = None) -> Replay:
    """Reads every topic from its beginning to exactly `until` (next offsets) and folds what figures need.

    Raises HistoryMissing when a beginning is gone, KafkaError or TimeoutError when the broker is.
    """
    full = {short: name for name, short in topics.short.items()}
    wanted = {
        TopicPartition(full[short], partition): offset
        for partition, ends in until.items()
        for short, offset in ends.items()
        if offset > 0
    }
    if not wanted:
        return Replay()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    try:
        await consumer.start()
        left = await _limits(consumer, wanted)
        if not left:
            return Replay()
        consumer.assign(list(left))
        await consumer.seek_to_beginning(*left)
        with _no_collector():
            return await _read(consumer, left, progress)
    finally:
        await consumer.stop()


async def _limits(consumer: AIOKafkaConsumer, wanted: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    begins = await consumer.beginning_offsets(list(wanted))
    ends = await consumer.end_offsets(list(wanted))
    gone = sorted(f"{part.topic}/{part.partition}" for part, begin in begins.items() if begin > 0)
    if gone:
        raise HistoryMissing(", ".join(gone))
    # A topic that was made anew may be shorter than the position that the live view remembers.
    return {part: min(offset, ends[part]) for part, offset in wanted.items() if ends[part] > 0}


async def _read(consumer: AIOKafkaConsumer, left: dict[TopicPartition, int], progress: Progress | None) -> Replay:
    result = Replay()
    fold_records = _folder(result)
    whole, empty = sum(left.values()), 0
    while left:
        batches: Mapping[TopicPartition, list[ConsumerRecord[Any, Any]]] = await consumer.getmany(
            *left, timeout_ms=POLL_MS
        )
        empty = 0 if batches else empty + 1
        if empty > PATIENCE:
            raise TimeoutError("the broker sends nothing more")
        for part, records in batches.items():
            fold_records(records, left[part], part.partition)
        for part in list(left):
            if await consumer.position(part) >= left[part]:
                del left[part]
                consumer.pause(part)
        if progress is not None:
            progress(result.records, whole)
        await asyncio.sleep(0)
    return result


def _folder(result: Replay) -> Callable[[list[ConsumerRecord[Any, Any]], int, int], None]:
    """The inner loop with everything at hand: at 100 000 records a second each look-up counts."""
    readers = {kind.TYPE.encode(): _Reader(kind) for kind in FOLDED}
    states, partitions = result.states, result.partitions

    def fold_records(records: list[ConsumerRecord[Any, Any]], limit: int, partition: int) -> None:
        for record in records:
            if record.offset >= limit:
                return
            result.records += 1
            reader = version = None
            for name, value in record.headers:
                if name == "ce_type":
                    reader = readers.get(value)
                elif name == "ce_aggregateversion":
                    version = value
            if reader is None:
                continue
            try:
                data = reader.parse(record.value, strict=True)
                number = int(version)  # type: ignore[arg-type]
            except (ValidationError, ValueError, TypeError):
                # The live worker buried this record; it is in the dead letters.
                result.unreadable += 1
                continue
            key = getattr(data, reader.subject)
            state = states.get(key)
            if state is None:
                state = states[key] = {}
                partitions[key] = partition
            reader.apply(state, data, number)
            result.folded += 1

    return fold_records


@contextmanager
def _no_collector() -> Iterator[None]:
    """Millions of small lists that all stay: the cycle collector would walk them again and again for nothing."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
