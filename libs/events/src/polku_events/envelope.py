"""The envelope: CloudEvents 1.0 attributes around an event's data."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic

from typing_extensions import TypeVar  # pydantic's own; 3.11's has no default

from polku_events.base import EventData

DataT_co = TypeVar("DataT_co", bound=EventData, default=EventData, covariant=True)


@dataclass(frozen=True, slots=True)
class Event(Generic[DataT_co]):
    """One event as it travels. A plain dataclass, since consumers make a hundred thousand a second.

    `Event[ReferralAccepted]` is for annotations: the type of a new event follows from its data, and Python
    3.11 cannot call a subscripted class that is both frozen and slotted.

    id: UUIDv7, the same in every copy of the event. source: `/polku/<service>`. subject: the aggregate's id.
    time: when it happened (UTC). minor: the schema's minor version as the producer knew it. version: the
    event's number within its aggregate, from 1 without gaps. partition_key: also the record key.
    test: it is about something made for trying out an integration; nobody counts it.
    """

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    minor: int
    version: int
    correlation_id: str
    causation_id: str | None
    partition_key: str
    traceparent: str | None
    data: DataT_co
    test: bool = False
