"""Records as the runner would hand them over: events in the partition of their key, with offsets."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import count

from polku_events import Event, service_of
from polku_indicators.repository.store import partition_of
from polku_runtime.outcomes import Received

from .stories import Happening

OCCURRED = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


class Feed:
    """Gives events ids, partitions and offsets; `records` keeps them in order."""

    def __init__(self, namespace: str = "polku") -> None:
        self.namespace = namespace
        self.offsets: dict[tuple[str, int], count] = defaultdict(count)
        self.numbers = count(1)
        self.records: list[Received] = []

    def add(self, happenings: Iterable[Happening]) -> list[Received]:
        added = [self._record(data, version) for data, version in happenings]
        self.records += added
        return added

    def _record(self, data, version) -> Received:
        topic = f"{self.namespace}.{service_of(data.TYPE)}.events"
        partition = partition_of(data.partition_key)
        return Received(topic, partition, next(self.offsets[topic, partition]), self._event(data, version))

    def _event(self, data, version) -> Event:
        return Event(
            id=f"e{next(self.numbers):06d}",
            type=data.TYPE,
            source=f"/polku/{service_of(data.TYPE)}",
            subject=getattr(data, data.SUBJECT),
            time=OCCURRED,
            minor=data.MINOR,
            version=version,
            correlation_id="c1",
            causation_id=None,
            partition_key=data.partition_key,
            traceparent=None,
            data=data,
        )


def again(record: Received, offset: int) -> Received:
    """The same event published once more, later in the topic."""
    return Received(record.topic, record.partition, offset, record.event)
