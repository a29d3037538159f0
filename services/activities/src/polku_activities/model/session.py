"""One session: planned, then held with everybody's attendance, or cancelled; attendance can be corrected.

`session.planned` says the plan as it is and is said again when the plan changes; so is `session.held` when a
correction changes how many were there. The kind of activity never stands beside a person in an event.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from polku_events import Aggregate, EventData
from polku_events.activities import (
    AttendanceCorrected,
    AttendanceRecorded,
    SessionCancelled,
    SessionHeld,
    SessionPlanned,
)
from polku_events.refusals import Refused, Wrong, refuse_if

Attendance = Literal["present", "late", "absent-excused", "absent-unexcused"]
THERE = ("present", "late")
SHORTEST, LONGEST, MOST = 5, 720, 60
"""Minutes of one session, at least and at most; people in one."""
HELSINKI = ZoneInfo("Europe/Helsinki")
"""Whose days count."""


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Participant(Frozen):
    person_id: str
    pathway_id: str
    case_code: str


class Mark(Frozen):
    """One person's attendance. minutes: how long the person was there; 0 when absent."""

    attendance: Attendance
    minutes: int = Field(ge=0, le=LONGEST)
    reason: str | None = None


class Act(Frozen):
    """Who did it, and when."""

    by: str
    at: datetime


class Correction(Frozen):
    pathway_id: str
    before: Mark
    after: Mark
    reason: str
    act: Act


class Plan(Frozen):
    """What a session is before it takes place. starts_at: UTC. place: kept here alone."""

    activity: str
    starts_at: datetime
    minutes: int = Field(ge=SHORTEST, le=LONGEST)
    group: bool
    coach_id: str
    place: str = Field("", max_length=200)
    participants: tuple[Participant, ...] = Field((), max_length=MOST)

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)

    @property
    def day(self) -> date:
        """The day that it is planned for."""
        return self.starts_at.astimezone(HELSINKI).date()


class Session(Aggregate):
    """marks: pathway id → attendance, once held. held_on and held_minutes: as it really was."""

    programme: str
    plan: Plan
    state: Literal["planned", "held", "cancelled"] = "planned"
    planned: Act
    held_on: date | None = None
    held_minutes: int | None = None
    marks: Mapping[str, Mark] = Field(default_factory=dict)
    held: Act | None = None
    cancel_reason: str | None = None
    cancelled: Act | None = None
    corrections: tuple[Correction, ...] = ()

    @property
    def attended(self) -> int:
        """How many were there, late ones included."""
        return sum(mark.attendance in THERE for mark in self.marks.values())


Outcome = tuple[Session, list[EventData]]


def plan(session_id: str, programme: str, wish: Plan, act: Act) -> Outcome:
    """A new session. Raises Refused."""
    refuse_if(_wrong_people(wish.participants, wish.group, "pathway_ids"))
    session = Session(id=session_id, version=1, programme=programme, plan=wish, planned=act)
    return session, [_said_plan(session)]


def change_plan(session: Session, wish: Plan) -> Outcome:
    """Another time, place or people. Raises Refused: not planned any more, nothing changed."""
    _only(session, "planned")
    refuse_if(_wrong_people(wish.participants, wish.group, "pathway_ids"))
    if wish == session.plan:
        raise Refused("nothing-changed")
    after = session.model_copy(update={"plan": wish, "version": session.version + 1})
    return after, [_said_plan(after)]


def add(session: Session, newcomers: Sequence[Participant]) -> Outcome:
    """More people; who takes part already is not added again. Raises Refused: not planned any more, nobody new."""
    _only(session, "planned")
    known = {one.pathway_id for one in session.plan.participants}
    people = (*session.plan.participants, *(one for one in newcomers if one.pathway_id not in known))
    return change_plan(session, session.plan.model_copy(update={"participants": people}))


def hold(
    session: Session,
    *,
    held_on: date,
    minutes: int,
    marks: Mapping[str, Mark],
    walk_ins: Sequence[Participant],
    today: date,
    act: Act,
) -> Outcome:
    """It took place. marks: one for every participant and every walk-in, by pathway id. Raises Refused."""
    _only(session, "planned")
    people = (*session.plan.participants, *walk_ins)
    known = {one.pathway_id for one in people}
    wrong = [Wrong("held_on", "in-future")] if held_on > today else []
    # Nothing takes back what was held, so a slip of the hand in next week's session is stopped here.
    wrong += [Wrong("held_on", "planned-for-later")] if session.plan.day > today else []
    wrong += _wrong_people(people, session.plan.group, "marks")
    wrong += [Wrong("marks", "needed")] if not people else []
    # Named by us, never by the caller: a key that we do not know is not repeated.
    wrong += [Wrong("marks", "not-a-participant")] if marks.keys() - known else []
    for one in people:
        mark, field = marks.get(one.pathway_id), f"marks/{one.pathway_id}"
        wrong += [Wrong(field, "needed")] if mark is None else _wrong_mark(mark, minutes, field)
    refuse_if(wrong)
    after = session.model_copy(
        update={
            "version": session.version + 1 + len(people),
            "state": "held",
            "plan": session.plan.model_copy(update={"participants": people}),
            "held_on": held_on,
            "held_minutes": minutes,
            "marks": {one.pathway_id: marks[one.pathway_id] for one in people},
            "held": act,
        }
    )
    return after, [_said_held(after), *(AttendanceRecorded(**_attendance(after, one)) for one in people)]


def correct(session: Session, *, pathway_id: str, mark: Mark, reason: str, act: Act) -> Outcome:
    """One person's attendance was not as recorded; old and new are kept. Raises Refused."""
    _only(session, "held")
    assert session.held_minutes is not None
    who = next((one for one in session.plan.participants if one.pathway_id == pathway_id), None)
    if who is None:
        raise Refused("invalid", [Wrong("pathway_id", "not-a-participant")])
    refuse_if(_wrong_mark(mark, session.held_minutes, "mark"))
    before = session.marks[pathway_id]
    if before == mark:
        raise Refused("nothing-changed")
    correction = Correction(pathway_id=pathway_id, before=before, after=mark, reason=reason, act=act)
    after = session.model_copy(
        update={
            "marks": {**session.marks, pathway_id: mark},
            "corrections": (*session.corrections, correction),
        }
    )
    events: list[EventData] = [AttendanceCorrected(**_attendance(after, who))]
    if after.attended != session.attended:
        events.append(_said_held(after))
    return after.model_copy(update={"version": session.version + len(events)}), events


def cancel(session: Session, *, reason: str, act: Act) -> Outcome:
    """It does not take place. Raises Refused: what was held cannot be cancelled."""
    _only(session, "planned")
    after = session.model_copy(
        update={"version": session.version + 1, "state": "cancelled", "cancel_reason": reason, "cancelled": act}
    )
    return after, [SessionCancelled(session_id=session.id, programme=session.programme, reason=reason)]


def _only(session: Session, state: str) -> None:
    if session.state != state:
        raise Refused("wrong-state")


def _wrong_people(people: Sequence[Participant], group: bool, field: str) -> list[Wrong]:
    checks = (
        ("too-many", len(people) > MOST),
        ("one-only", not group and len(people) > 1),
        ("twice", len({one.person_id for one in people}) < len(people)),
    )
    return [Wrong(field, code) for code, is_so in checks if is_so]


def _wrong_mark(mark: Mark, minutes: int, field: str) -> list[Wrong]:
    """minutes: the session's length."""
    there = mark.attendance in THERE
    checks = (
        ("minutes", "too-long", mark.minutes > minutes),
        ("minutes", "there-without-minutes", there and mark.minutes == 0),
        ("minutes", "absent-with-minutes", not there and mark.minutes > 0),
        ("reason", "reason-for-presence", there and mark.reason is not None),
        ("reason", "reason-needed", mark.attendance == "absent-excused" and mark.reason is None),
    )
    return [Wrong(f"{field}/{part}", code) for part, code, is_so in checks if is_so]


def _attendance(session: Session, who: Participant) -> dict[str, object]:
    return {
        "session_id": session.id,
        "person_id": who.person_id,
        "pathway_id": who.pathway_id,
        "programme": session.programme,
        "held_on": session.held_on,
        **session.marks[who.pathway_id].model_dump(),
    }


def _said_plan(session: Session) -> SessionPlanned:
    plan = session.plan
    return SessionPlanned(
        session_id=session.id,
        programme=session.programme,
        activity=plan.activity,
        starts_at=plan.starts_at,
        ends_at=plan.ends_at,
        coach_id=plan.coach_id,
        group=plan.group,
    )


def _said_held(session: Session) -> SessionHeld:
    assert session.held_on is not None
    assert session.held_minutes is not None
    return SessionHeld(
        session_id=session.id,
        programme=session.programme,
        activity=session.plan.activity,
        held_on=session.held_on,
        minutes=session.held_minutes,
        attended=session.attended,
        group=session.plan.group,
    )
