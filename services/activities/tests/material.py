"""What the tests of this service are made of: a programme, a few people, a plan, shorthands."""

from datetime import UTC, date, datetime
from typing import Any

from polku_activities.model.session import Act, Mark, Participant, Plan, Session, hold, plan
from polku_events import EventData
from polku_events.pathway import ParticipationReopened, PathwayClosed, PathwayOpened, PathwayStageChanged

COACH = "0197aaaa-0000-7000-8000-000000000001"
OTHER_COACH = "0197aaaa-0000-7000-8000-000000000002"
COORDINATOR = "0197aaaa-0000-7000-8000-000000000003"
STEERING = "0197aaaa-0000-7000-8000-000000000004"
ELSEWHERE = "0197aaaa-0000-7000-8000-000000000005"

TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""A Monday, 10.00 in Helsinki: where the tests' clock starts."""
ACT = Act(by=COACH, at=NOW)

PRESENT = Mark(attendance="present", minutes=120)
LATE = Mark(attendance="late", minutes=90)
EXCUSED = Mark(attendance="absent-excused", minutes=0, reason="illness")
UNEXCUSED = Mark(attendance="absent-unexcused", minutes=0)


def person(number: int) -> Participant:
    return Participant(person_id=f"person-{number}", pathway_id=f"pathway-{number}", case_code=f"K-{number:05}")


def wish(*numbers: int, **changes: Any) -> Plan:
    """A plan for two hours of work activity this morning, with the persons of these numbers."""
    told = {
        "activity": "work-activity",
        "starts_at": datetime(2026, 3, 2, 7, 0, tzinfo=UTC),
        "minutes": 120,
        "group": True,
        "coach_id": COACH,
        "participants": tuple(person(number) for number in numbers),
    }
    return Plan(**{**told, **changes})


def planned(*numbers: int, **changes: Any) -> Session:
    return plan("session-1", "kainuu", wish(*numbers, **changes), ACT)[0]


def held(**marks: Mark) -> Session:
    """`held(p1=PRESENT, p2=EXCUSED)`"""
    numbers = [int(name[1:]) for name in marks]
    session, _ = hold(
        planned(*numbers),
        held_on=TODAY,
        minutes=120,
        marks={f"pathway-{number}": mark for number, mark in zip(numbers, marks.values(), strict=True)},
        walk_ins=(),
        today=TODAY,
        act=ACT,
    )
    return session


def kinds(events: list[EventData]) -> list[str]:
    """`["session.held", …]`"""
    return [event.TYPE.removeprefix("polku.").rpartition(".")[0] for event in events]


# -- what the pathway service says -----------------------------------------------------------------------------


def opened(number: int = 1, programme: str = "kainuu") -> PathwayOpened:
    return PathwayOpened(
        pathway_id=f"pathway-{number}",
        person_id=f"person-{number}",
        case_code=f"K-{number:05}",
        programme=programme,
        referral_id=f"referral-{number}",
        service="work-activity",
        route="employment-service",
        organisation_id="organisation-1",
        coordinator_id=COORDINATOR,
        stage="waiting",
        opened_on=TODAY,
    )


def closed(number: int = 1) -> PathwayClosed:
    return PathwayClosed(**_about(number), referral_id=f"referral-{number}", closed_on=TODAY, outcome="work")


def reopened(number: int = 1) -> ParticipationReopened:
    return ParticipationReopened(**_about(number), reopened_on=TODAY)


def moved(number: int = 1) -> PathwayStageChanged:
    return PathwayStageChanged(**_about(number), from_stage="waiting", to_stage="activity", on=TODAY)


def _about(number: int) -> dict[str, str]:
    return {"pathway_id": f"pathway-{number}", "person_id": f"person-{number}", "programme": "kainuu"}
