"""Who is in two sessions at once: pointed out, never refused."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from polku_activities.model.session import THERE, Session


def overlapping(session: Session, others: Iterable[Session]) -> list[str]:
    """Case codes, in order, of those who are expected or were there in `session` and in another at the same time."""
    mine, people = hours(session), _people(session)
    if mine is None:
        return []
    busy: set[str] = set()
    for other in others:
        theirs = hours(other)
        if theirs is not None and theirs[0] < mine[1] and mine[0] < theirs[1]:
            busy |= _people(other).keys()
    return sorted(people[person_id] for person_id in busy & people.keys())


def hours(session: Session) -> tuple[datetime, datetime] | None:
    """From when until when; None when cancelled, or held on another day than planned: at what time, nobody wrote."""
    plan = session.plan
    if session.state == "cancelled" or session.held_on not in (None, plan.day):
        return None
    return plan.starts_at, plan.starts_at + timedelta(minutes=session.held_minutes or plan.minutes)


def _people(session: Session) -> Mapping[str, str]:
    """Person id → case code; once held, of those who were there."""
    there = (
        one
        for one in session.plan.participants
        if session.state != "held" or session.marks[one.pathway_id].attendance in THERE
    )
    return {one.person_id: one.case_code for one in there}
