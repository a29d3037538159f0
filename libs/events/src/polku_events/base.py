"""The base of every event's data and of every aggregate that emits events."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(min_length=1, max_length=64, description="An opaque id; says nothing about a person.")]
Code = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9][a-z0-9-]*$")]
"""A code from a list that may grow: readers must bear values that they do not know."""


class EventData(BaseModel):
    """What one kind of event says: ids, codes, days and small numbers, never personal data.

    TYPE is the CloudEvents type, with the major version. MINOR counts compatible additions within it.
    SUBJECT names the field that holds the id of the aggregate which emits the event.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    TYPE: ClassVar[str]
    MINOR: ClassVar[int] = 0
    SUBJECT: ClassVar[str]

    @property
    def partition_key(self) -> str:
        """The person where the event is about one, else the aggregate: what must stay in order together."""
        key: str = getattr(self, "person_id", None) or getattr(self, self.SUBJECT)
        return key


class Aggregate(BaseModel):
    """The state of one thing. `version` is the number of events it has emitted so far."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    version: int = 0
