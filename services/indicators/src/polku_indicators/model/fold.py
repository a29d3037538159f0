"""The fold: one event into the state of its subject, whatever came before, however often.

A state is a plain mapping of scalars, so that memory, MongoDB and the checksum see the same thing.
Every facet carries the version of its aggregate and the highest version wins; so duplicates and any
interleaving across topics end in the same state.

Person (key: person id)
    kind "person"
    referrals {referral_id: {programme, case, received [v, day], accepted [v, day]}}
    pathways {pathway_id: {programme, case,
        opened [v, day], closed [v, day, outcome],
        entry [v, started_on, status, since, education, gender, municipality],
        exit [v, ended_on, status, status_on, in_education, qualification, reason] or [v] (none in force),
        ages {day: [v, age]},
        attendance {session_id: [v, held_on, minutes]}}}      minutes -1: was not there
Session (key: session id)
    kind "session", programme, last [v, state, held_on, activity, minutes, attended]
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from polku_events import EventData
from polku_events.activities import (
    AttendanceCorrected,
    AttendanceRecorded,
    SessionCancelled,
    SessionHeld,
    SessionPlanned,
)
from polku_events.pathway import (
    Entry,
    Exit,
    ParticipationCorrected,
    ParticipationEnded,
    ParticipationReopened,
    ParticipationStarted,
    PathwayClosed,
    PathwayOpened,
)
from polku_events.referral import PersonAgeStated, ReferralAccepted, ReferralReceived

State = dict[str, Any]

ATTENDED = frozenset({"present", "late"})
ABSENT = -1


def fold(state: State, data: EventData, version: int) -> None:
    """Applies one event to its subject's state, in place.

    data: an event of a type in `FOLDED`. version: the aggregate's version that the event carries.
    """
    FOLDED[type(data)](state, data, version)


def subject_of(data: EventData) -> str:
    """The key of the state that an event of a folded type belongs to: a person's or a session's id."""
    subject: str = getattr(data, "person_id", None) or data.session_id  # type: ignore[attr-defined]
    return subject


def _newer(facets: State, name: str, value: list[Any]) -> None:
    present = facets.get(name)
    if present is None or value[0] > present[0]:
        facets[name] = value


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _inner(state: State, group: str, key: str) -> State:
    state["kind"] = "person"
    members: dict[str, State] = state.setdefault(group, {})
    inner = members.get(key)
    if inner is None:
        inner = members[key] = {}
    return inner


def _pathway(state: State, data: Any) -> State:
    pathway = _inner(state, "pathways", data.pathway_id)
    pathway["programme"] = data.programme
    return pathway


def _referral(state: State, data: Any) -> State:
    referral = _inner(state, "referrals", data.referral_id)
    referral["programme"] = data.programme
    referral["case"] = data.case_code
    return referral


def _received(state: State, data: ReferralReceived, version: int) -> None:
    _newer(_referral(state, data), "received", [version, _day(data.referred_on)])


def _accepted(state: State, data: ReferralAccepted, version: int) -> None:
    _newer(_referral(state, data), "accepted", [version, _day(data.accepted_on)])


def _opened(state: State, data: PathwayOpened, version: int) -> None:
    pathway = _pathway(state, data)
    pathway["case"] = data.case_code
    _newer(pathway, "opened", [version, _day(data.opened_on)])


def _closed(state: State, data: PathwayClosed, version: int) -> None:
    _newer(_pathway(state, data), "closed", [version, _day(data.closed_on), data.outcome])


def _entry(entry: Entry | ParticipationStarted, version: int) -> list[Any]:
    return [
        version,
        _day(entry.started_on),
        entry.employment_status,
        _day(entry.since),
        entry.education,
        entry.gender,
        entry.municipality,
    ]


def _exit(leaving: Exit | ParticipationEnded, version: int) -> list[Any]:
    return [
        version,
        _day(leaving.ended_on),
        leaving.employment_status,
        _day(leaving.status_on),
        leaving.in_education,
        leaving.qualification,
        leaving.reason,
    ]


def _started(state: State, data: ParticipationStarted, version: int) -> None:
    _newer(_pathway(state, data), "entry", _entry(data, version))


def _corrected(state: State, data: ParticipationCorrected, version: int) -> None:
    pathway = _pathway(state, data)
    _newer(pathway, "entry", _entry(data.entry, version))
    _newer(pathway, "exit", [version] if data.exit is None else _exit(data.exit, version))


def _ended(state: State, data: ParticipationEnded, version: int) -> None:
    _newer(_pathway(state, data), "exit", _exit(data, version))


def _reopened(state: State, data: ParticipationReopened, version: int) -> None:
    _newer(_pathway(state, data), "exit", [version])


def _age(state: State, data: PersonAgeStated, version: int) -> None:
    # Kept per day: when a start day is corrected, the age of the other day must not be taken for it.
    ages = _inner(state, "pathways", data.pathway_id).setdefault("ages", {})
    _newer(ages, data.on.isoformat(), [version, data.age])


def _attendance(state: State, data: AttendanceRecorded | AttendanceCorrected, version: int) -> None:
    minutes = data.minutes if data.attendance in ATTENDED else ABSENT
    seen = _pathway(state, data).setdefault("attendance", {})
    _newer(seen, data.session_id, [version, _day(data.held_on), minutes])


def _session(state: State, data: Any, value: list[Any]) -> None:
    state["kind"] = "session"
    state["programme"] = data.programme
    _newer(state, "last", value)


def _planned(state: State, data: SessionPlanned, version: int) -> None:
    _session(state, data, [version, "planned", None, data.activity, 0, 0])


def _held(state: State, data: SessionHeld, version: int) -> None:
    _session(state, data, [version, "held", _day(data.held_on), data.activity, data.minutes, data.attended])


def _cancelled(state: State, data: SessionCancelled, version: int) -> None:
    _session(state, data, [version, "cancelled", None, None, 0, 0])


FOLDED: Mapping[type[EventData], Callable[[State, Any, int], None]] = {
    ReferralReceived: _received,
    ReferralAccepted: _accepted,
    PersonAgeStated: _age,
    PathwayOpened: _opened,
    PathwayClosed: _closed,
    ParticipationStarted: _started,
    ParticipationCorrected: _corrected,
    ParticipationEnded: _ended,
    ParticipationReopened: _reopened,
    SessionPlanned: _planned,
    SessionHeld: _held,
    SessionCancelled: _cancelled,
    AttendanceRecorded: _attendance,
    AttendanceCorrected: _attendance,
}
"""The types that the figures need; every other type is skipped."""
