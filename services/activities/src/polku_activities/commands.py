"""What may be asked of a session, as the API and the forms say it. Unknown fields are refused."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from polku_activities.model.session import LONGEST, MOST, SHORTEST, THERE, Attendance, Mark

FIRST, LAST = date(2020, 1, 1), date(2099, 12, 31)
"""Days outside are slips of the hand."""
ISO = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _written(kind: str) -> Callable[[object], object]:
    def check(value: object) -> object:
        # Pydantic would also take a number, or digits alone, for seconds since 1970.
        if isinstance(value, date) or (isinstance(value, str) and ISO.match(value)):
            return value
        raise PydanticCustomError(kind, "This value is not valid.")

    return check


Id = Annotated[str, Field(min_length=1, max_length=64)]
Code = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Minutes = Annotated[int, Field(ge=SHORTEST, le=LONGEST, description="Minutes.")]
Day = Annotated[date, BeforeValidator(_written("date_type")), Field(ge=FIRST, le=LAST)]
Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_written("datetime_type")),
    Field(ge=datetime(FIRST.year, 1, 1, tzinfo=UTC), le=datetime(LAST.year, 12, 31, tzinfo=UTC)),
]


class Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ChangeIn(Command):
    """The plan as it is to be. starts_at: with its offset from UTC. pathway_ids: who takes part.

    coach_id: when left out the caller, and of a session that is planned already whoever leads it.
    """

    activity: Code
    starts_at: Instant
    minutes: Minutes
    group: bool = True
    coach_id: Id | None = None
    place: Annotated[str, Field(max_length=200)] = ""
    pathway_ids: Annotated[list[Id], Field(max_length=MOST)] = []


class PlanIn(ChangeIn):
    programme: Code


class AddIn(Command):
    """pathway_ids: who takes part besides those who do already."""

    pathway_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST)]


class MarkIn(Command):
    """minutes: how long the person was there; left out, for the whole session."""

    attendance: Attendance
    minutes: Annotated[int, Field(ge=0, le=LONGEST)] | None = None
    reason: Code | None = None

    def mark(self, session_minutes: int) -> Mark:
        whole = session_minutes if self.attendance in THERE else 0
        minutes = whole if self.minutes is None else self.minutes
        return Mark(attendance=self.attendance, minutes=minutes, reason=self.reason)


class HoldIn(Command):
    """marks: pathway id → attendance, for every participant and everybody who came without being planned."""

    held_on: Day
    minutes: Minutes
    marks: Annotated[dict[Id, MarkIn], Field(max_length=MOST)]


class CorrectIn(Command):
    pathway_id: Id
    mark: MarkIn
    reason: Code


class CancelIn(Command):
    reason: Code


class ParticipantOut(BaseModel):
    person_id: str
    pathway_id: str
    case_code: str
    attendance: str | None = None
    minutes: int | None = None
    reason: str | None = None


class SessionOut(BaseModel):
    """A session as its readers see it. commands: what may be done now."""

    id: str
    version: int
    programme: str
    activity: str
    state: str
    starts_at: datetime
    ends_at: datetime
    group: bool
    coach_id: str
    place: str
    held_on: date | None
    minutes: int
    attended: int | None
    cancel_reason: str | None
    participants: list[ParticipantOut]
    overlapping: list[str] = []
    commands: list[str]


class SessionList(BaseModel):
    items: list[SessionOut]
    next: str | None


class ChoiceList(BaseModel):
    """People with an open pathway, to choose from."""

    items: list[ParticipantOut]
