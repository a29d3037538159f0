"""What may be asked of a session, as the API and the forms say it. Unknown fields are refused."""

from datetime import date, datetime
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from polku_activities.model.session import LONGEST, MOST, Attendance, Mark

Id = Annotated[str, Field(min_length=1, max_length=64)]
Code = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Minutes = Annotated[int, Field(ge=5, le=LONGEST, description="Minutes.")]


class Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PlanIn(Command):
    """pathway_ids: who takes part. coach_id: the caller when left out. starts_at: with its offset from UTC."""

    programme: Code
    activity: Code
    starts_at: AwareDatetime
    minutes: Minutes
    group: bool = True
    coach_id: Id | None = None
    place: Annotated[str, Field(max_length=200)] = ""
    pathway_ids: Annotated[list[Id], Field(max_length=MOST)] = []


class MarkIn(Command):
    """minutes: the session's when left out for somebody who was there."""

    attendance: Attendance
    minutes: Annotated[int, Field(ge=0, le=LONGEST)] | None = None
    reason: Code | None = None

    def mark(self, of_session: int) -> Mark:
        there = self.attendance in ("present", "late")
        minutes = self.minutes if self.minutes is not None else of_session if there else 0
        return Mark(attendance=self.attendance, minutes=minutes, reason=self.reason)


class HoldIn(Command):
    """marks: person id → attendance, for every participant. walk_ins: further pathways of people who came."""

    held_on: date
    minutes: Minutes
    marks: Annotated[dict[Id, MarkIn], Field(max_length=MOST)]
    walk_ins: Annotated[list[Id], Field(max_length=MOST)] = []


class CorrectIn(Command):
    person_id: Id
    mark: MarkIn
    reason: Code


class CancelIn(Command):
    reason: Code


class ActOut(BaseModel):
    by: str
    at: datetime


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
