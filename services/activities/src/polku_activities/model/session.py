"""One session: planned, then held with everybody's attendance, or cancelled; attendance can be corrected.

`session.planned` says the plan as it is and is said again when the plan changes; so is `session.held` when a
correction changes how many were there. The kind of activity never stands beside a person in an event.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from polku_activities.model.refusals import Refused, Wrong, refuse_if
from polku_events import Aggregate, EventData
from polku_events.activities import (
    AttendanceCorrected,
    AttendanceRecorded,
    SessionCancelled,
    SessionHeld,
    SessionPlanned,
)

Attendance = Literal["present", "late", "absent-excused", "absent-unexcused"]
THERE = ("present", "late")
LONGEST, MOST = 720, 60
"""Minutes of one session; people in one."""


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
    person_id: str
    before: Mark | None
    after: Mark
    reason: str
    act: Act


class Plan(Frozen):
    """What a session is before it takes place. starts_at: UTC. place: kept here alone."""

    activity: str
    starts_at: datetime
    minutes: int = Field(ge=5, le=LONGEST)
    group: bool
    coach_id: str
    place: str = Field("", max_length=200)
    participants: tuple[Participant, ...] = Field((), max_length=MOST)

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)


class Session(Aggregate):
    """marks: person id → attendance, once held. held_on and held_minutes: as it really was."""

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

    def attended(self) -> int:
        return sum(mark.attendance in THERE for mark in self.marks.values())


Outcome = tuple[Session, list[EventData]]


def plan(session_id: str, programme: str, wish: Plan, act: Act) -> Outcome:
    """A new session. Raises Refused."""
    _check_plan(wish)
    session = Session(id=session_id, version=1, programme=programme, plan=wish, planned=act)
    return session, [_said_plan(session)]


def change_plan(session: Session, wish: Plan) -> Outcome:
    """Another time, place or people. Raises Refused: not planned any more, nothing changed."""
    _only(session, "planned")
    _check_plan(wish)
    if wish == session.plan:
        raise Refused("nothing-changed")
    after = session.model_copy(update={"plan": wish, "version": session.version + 1})
    return after, [_said_plan(after)]


def hold(
    session: Session,
    *,
    held_on: date,
    minutes: int,
    marks: Mapping[str, Mark],
    walk_ins: tuple[Participant, ...],
    today: date,
    act: Act,
) -> Outcome:
    """It took place. marks: one for every participant, walk-ins among them. Raises Refused."""
    _only(session, "planned")
    known = {one.person_id for one in session.plan.participants}
    people = (*session.plan.participants, *(one for one in walk_ins if one.person_id not in known))
    wrong = [Wrong("held_on", "in-future")] if held_on > today else []
    wrong += [Wrong(f"marks/{one.person_id}", "needed") for one in people if one.person_id not in marks]
    everybody = {one.person_id for one in people}
    wrong += [Wrong(f"marks/{person}", "not-a-participant") for person in marks if person not in everybody]
    wrong += _wrong_marks({person: marks[person] for person in marks if person in everybody}, minutes)
    if not people:
        wrong.append(Wrong("participants", "needed"))
    if not session.plan.group and len(people) > 1:
        wrong.append(Wrong("participants", "one-only"))
    refuse_if(wrong)
    after = session.model_copy(
        update={
            "version": session.version + 1 + len(people),
            "state": "held",
            "plan": session.plan.model_copy(update={"participants": people}),
            "held_on": held_on,
            "held_minutes": minutes,
            "marks": {one.person_id: marks[one.person_id] for one in people},
            "held": act,
        }
    )
    recorded = [AttendanceRecorded(**_about(after, one), **after.marks[one.person_id].model_dump()) for one in people]
    return after, [_said_held(after), *recorded]


def correct(session: Session, *, person_id: str, mark: Mark, reason: str, act: Act) -> Outcome:
    """One person's attendance was not as recorded; old and new are kept. Raises Refused."""
    _only(session, "held")
    assert session.held_minutes is not None
    before = session.marks.get(person_id)
    who = next((one for one in session.plan.participants if one.person_id == person_id), None)
    if before is None or who is None:
        raise Refused("invalid", [Wrong("person_id", "not-a-participant")])
    if before == mark:
        raise Refused("nothing-changed")
    refuse_if(_wrong_marks({person_id: mark}, session.held_minutes))
    correction = Correction(person_id=person_id, before=before, after=mark, reason=reason, act=act)
    after = session.model_copy(
        update={
            "marks": {**session.marks, person_id: mark},
            "corrections": (*session.corrections, correction),
        }
    )
    events: list[EventData] = [AttendanceCorrected(**_about(after, who), **mark.model_dump())]
    if after.attended() != session.attended():
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


def _check_plan(wish: Plan) -> None:
    wrong = []
    if not wish.group and len(wish.participants) > 1:
        wrong.append(Wrong("participants", "one-only"))
    people = [one.person_id for one in wish.participants]
    if len(set(people)) != len(people):
        wrong.append(Wrong("participants", "twice"))
    refuse_if(wrong)


def _wrong_marks(marks: Mapping[str, Mark], minutes: int) -> list[Wrong]:
    wrong = []
    for person, mark in marks.items():
        if mark.minutes > minutes:
            wrong.append(Wrong(f"marks/{person}", "too-long"))
        if mark.attendance in THERE and (mark.minutes == 0 or mark.reason):
            wrong.append(
                Wrong(f"marks/{person}", "there-without-minutes" if mark.minutes == 0 else "reason-for-presence")
            )
        if mark.attendance not in THERE and mark.minutes:
            wrong.append(Wrong(f"marks/{person}", "absent-with-minutes"))
        if mark.attendance == "absent-excused" and not mark.reason:
            wrong.append(Wrong(f"marks/{person}", "reason-needed"))
    return wrong


def _about(session: Session, who: Participant) -> dict[str, object]:
    return {
        "session_id": session.id,
        "person_id": who.person_id,
        "pathway_id": who.pathway_id,
        "programme": session.programme,
        "held_on": session.held_on,
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
        attended=session.attended(),
        group=session.plan.group,
    )
