"""People and sessions for tests: events with versions, as their aggregates would emit them."""

from collections.abc import Iterable
from datetime import date, timedelta

from polku_events import EventData
from polku_events.activities import AttendanceCorrected, AttendanceRecorded, SessionHeld, SessionPlanned
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
from polku_indicators.model.fold import State, fold, subject_of

PROGRAMME = "kainuu"
START = date(2026, 2, 2)
LATER = START + timedelta(days=200)

Happening = tuple[EventData, int]
"""An event and its aggregate's version."""


def received(person="p1", referral="r1", on=START, programme=PROGRAMME):
    return ReferralReceived(
        referral_id=referral,
        person_id=person,
        case_code=f"K-{person}"[:12],
        programme=programme,
        route="employment-service",
        service="work-activity",
        organisation_id="o1",
        referred_on=on,
        answer_due=on,
        urgency="normal",
    )


def accepted(person="p1", referral="r1", on=START, programme=PROGRAMME):
    return ReferralAccepted(
        referral_id=referral,
        person_id=person,
        case_code=f"K-{person}"[:12],
        programme=programme,
        route="employment-service",
        service="work-activity",
        organisation_id="o1",
        referred_on=on,
        accepted_on=on,
        coordinator_id="s1",
    )


def opened(person="p1", pathway="w1", on=START, programme=PROGRAMME):
    return PathwayOpened(
        pathway_id=pathway,
        person_id=person,
        case_code=f"K-{person}"[:12],
        programme=programme,
        referral_id="r1",
        service="work-activity",
        route="employment-service",
        organisation_id="o1",
        coordinator_id="s1",
        stage="start",
        opened_on=on,
    )


def started(person="p1", pathway="w1", on=START, programme=PROGRAMME, **entry):
    data = {"employment_status": "unemployed", "education": 2, "gender": "woman", "municipality": "205"} | entry
    return ParticipationStarted(person_id=person, pathway_id=pathway, programme=programme, started_on=on, **data)


def age(person="p1", pathway="w1", on=START, years=30):
    return PersonAgeStated(person_id=person, pathway_id=pathway, on=on, age=years)


def leaving(on, *, days=0, status="unemployed", education=False, qualification=False):
    return Exit(
        ended_on=on,
        employment_status=status,
        status_on=on + timedelta(days=days),
        in_education=education,
        qualification=qualification,
        reason="other",
    )


def ended(person="p1", pathway="w1", on=START + timedelta(days=90), programme=PROGRAMME, **how):
    exit_ = leaving(on, **how)
    return ParticipationEnded(person_id=person, pathway_id=pathway, programme=programme, **exit_.model_dump())


def reopened(person="p1", pathway="w1", on=START + timedelta(days=100), programme=PROGRAMME):
    return ParticipationReopened(person_id=person, pathway_id=pathway, programme=programme, reopened_on=on)


def closed(person="p1", pathway="w1", on=START + timedelta(days=90), programme=PROGRAMME):
    return PathwayClosed(
        person_id=person,
        pathway_id=pathway,
        programme=programme,
        referral_id="r1",
        closed_on=on,
        outcome="work",
    )


def corrected(person="p1", pathway="w1", programme=PROGRAMME, *, on=START, exit_=None, **entry):
    data = {"employment_status": "unemployed", "education": 2, "gender": "woman", "municipality": "205"} | entry
    return ParticipationCorrected(
        person_id=person,
        pathway_id=pathway,
        programme=programme,
        entry=Entry(started_on=on, **data),
        exit=exit_,
        reason="typing-error",
    )


def planned(session="s1", activity="group-activity", programme=PROGRAMME):
    from datetime import UTC, datetime

    return SessionPlanned(
        session_id=session,
        programme=programme,
        activity=activity,
        starts_at=datetime(2026, 3, 1, 8, tzinfo=UTC),
        ends_at=datetime(2026, 3, 1, 10, tzinfo=UTC),
        coach_id="c1",
        group=True,
    )


def held(session="s1", activity="group-activity", on=START, minutes=90, attended=1, programme=PROGRAMME):
    return SessionHeld(
        session_id=session,
        programme=programme,
        activity=activity,
        held_on=on,
        minutes=minutes,
        attended=attended,
        group=True,
    )


def attendance(
    person="p1", session="s1", pathway="w1", how="present", on=START, minutes=90, programme=PROGRAMME, again=False
):
    kind = AttendanceCorrected if again else AttendanceRecorded
    return kind(
        session_id=session,
        person_id=person,
        pathway_id=pathway,
        programme=programme,
        held_on=on,
        attendance=how,
        minutes=minutes,
    )


def numbered(*events: EventData, start: int = 1) -> list[Happening]:
    """The events of one aggregate, numbered from `start`."""
    return [(event, number) for number, event in enumerate(events, start)]


def states_of(happenings: Iterable[Happening]) -> dict[str, State]:
    """All folded, in the order given."""
    states: dict[str, State] = {}
    for data, version in happenings:
        fold(states.setdefault(subject_of(data), {}), data, version)
    return states


def person(**how) -> list[Happening]:
    """One person who has started, complete unless told otherwise: entry data and `years`."""
    years = how.pop("years", 30)
    stated = [] if years is None else [(age(years=years), 1)]
    return [*numbered(opened(), started(**how)), *stated]


def history():
    """Three people and two sessions with everything that can happen, by topic in their own order."""
    referral = [
        *numbered(received(), accepted()),
        *numbered(received("p2", "r2"), accepted("p2", "r2")),
        *numbered(received("p3", "r3")),
        (age(years=24), 1),
        (age(on=START - timedelta(days=1), years=23), 2),
        (age("p2", "w2", years=17), 1),
        (age("p2", "w4", LATER, 18), 2),
    ]
    pathway = [
        *numbered(
            opened(),
            started(employment_status="inactive"),
            corrected(on=START - timedelta(days=1), employment_status="student"),
            ended(status="unemployed", qualification=True),
            reopened(),
            ended(on=LATER, status="employed", education=True),
            corrected(
                on=START - timedelta(days=1),
                employment_status="inactive",
                exit_=leaving(LATER, status="unemployed", days=28),
            ),
            closed(on=LATER),
        ),
        *numbered(opened("p2", "w2"), started("p2", "w2", gender="man"), ended("p2", "w2"), closed("p2", "w2")),
        *numbered(opened("p2", "w4", LATER), started("p2", "w4", LATER, gender="man", education=5)),
    ]
    activities = [
        *numbered(planned(), held(), attendance(), attendance("p2", pathway="w2", how="absent-excused")),
        (attendance("p2", pathway="w2", how="late", minutes=60, again=True), 5),
        *numbered(planned("s2", "training"), held("s2", "training", minutes=45, attended=0)),
    ]
    return [referral, pathway, activities]


ALL = [event for topic in history() for event in topic]
"""The whole history, topic after topic."""
