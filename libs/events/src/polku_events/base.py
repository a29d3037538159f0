"""The base of every event's data and of every aggregate that emits events."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

Id = Annotated[str, Field(min_length=1, max_length=64, description="An opaque id; says nothing about a person.")]
Code = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*$")]
"""A code from a list that may grow: readers must bear values that they do not know."""


def in_utc(instant: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError where that lies outside the calendar (year 1 or 9999)."""
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("outside the calendar in UTC") from None


Instant = Annotated[AwareDatetime, AfterValidator(in_utc)]
"""A moment, whatever offset it was written with; read as UTC."""


class EventData(BaseModel):
    """What one kind of event says: ids, codes, days and small numbers, never personal data.

    TYPE is the CloudEvents type, with the major version. MINOR counts compatible additions within it.
    SUBJECT names the field that holds the id of the aggregate which emits the event.
    FOR_ALL: heard also where what is made for trying out is skipped, since it says who may come in.
    """

    # What did not fit may be anything at all, so errors do not repeat it.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    TYPE: ClassVar[str]
    MINOR: ClassVar[int] = 0
    FOR_ALL: ClassVar[bool] = False
    SUBJECT: ClassVar[str]

    @property
    def partition_key(self) -> str:
        """The person where the event is about one, else the aggregate: what must stay in order together."""
        key: str = getattr(self, "person_id", None) or getattr(self, self.SUBJECT)
        return key


class Aggregate(BaseModel):
    """The state of one thing. `version` is the number of events it has emitted so far.

    test: made for trying out an integration; so are all its events.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    version: int = 0
    test: bool = False
