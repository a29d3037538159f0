"""What the activities service says.

The kind of an activity stands in the session's own events and never beside a person: who attends
neuropsychiatric coaching is probable health data.
"""

from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field

from polku_events.base import Code, EventData, Id, Instant

Activity = Annotated[
    Code,
    Field(description="work-activity, group-activity, individual-coaching, nepsy-coaching, training, work-practice."),
]
Minutes = Annotated[int, Field(ge=0, le=1440)]


class SessionPlanned(EventData):
    """A session stands in the calendar."""

    TYPE: ClassVar[str] = "polku.session.planned.v1"
    SUBJECT: ClassVar[str] = "session_id"

    session_id: Id
    programme: Code
    activity: Activity
    starts_at: Instant
    ends_at: Instant
    coach_id: Id
    group: bool


class SessionHeld(EventData):
    """A session took place."""

    TYPE: ClassVar[str] = "polku.session.held.v1"
    SUBJECT: ClassVar[str] = "session_id"

    session_id: Id
    programme: Code
    activity: Activity
    held_on: date
    minutes: Minutes
    attended: Annotated[int, Field(ge=0, le=10_000, description="How many were there, late ones included.")]
    group: bool


class SessionCancelled(EventData):
    """A planned session does not take place."""

    TYPE: ClassVar[str] = "polku.session.cancelled.v1"
    SUBJECT: ClassVar[str] = "session_id"

    session_id: Id
    programme: Code
    reason: Code


class _Attendance(EventData):
    SUBJECT: ClassVar[str] = "session_id"

    session_id: Id
    person_id: Id
    pathway_id: Id
    programme: Code
    held_on: date
    attendance: Annotated[Code, Field(description="present, late, absent-excused, absent-unexcused.")]
    minutes: Minutes
    reason: Code | None = None


class AttendanceRecorded(_Attendance):
    """One person's attendance at one session."""

    TYPE: ClassVar[str] = "polku.attendance.recorded.v1"


class AttendanceCorrected(_Attendance):
    """The attendance as it is now, whole, after a correction."""

    TYPE: ClassVar[str] = "polku.attendance.corrected.v1"
