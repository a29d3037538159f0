"""One person's participation in one programme, drawn from the state of the person."""

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from polku_indicators.model.fold import ABSENT, State

STATUSES = frozenset({"unemployed", "inactive", "student", "employed"})
GENDERS = frozenset({"woman", "man", "non-binary"})
"""Codes may grow in the events; one that the rules do not know counts as not stated."""


class Participation(NamedTuple):
    """Entry data of the first start, exit data of the last end; several pathways are one participation.

    age: full years on the start day. missing: names of the entry data without which a record counts in the
    total only. ended_on is None while any pathway goes on; exit data is then empty.
    """

    entry_pathway: str
    started_on: date
    status: str | None
    since: date | None
    education: int | None
    gender: str
    age: int | None
    missing: tuple[str, ...] = ()
    exit_pathway: str | None = None
    ended_on: date | None = None
    exit_status: str | None = None
    status_on: date | None = None
    in_education: bool = False
    qualification: bool = False


def _missing(entry: Participation) -> tuple[str, ...]:
    gaps = (
        ("gender", entry.gender == "not-stated"),
        ("employment_status", entry.status is None),
        ("age", entry.age is None),
        ("education", entry.education is None),
    )
    return tuple(name for name, is_missing in gaps if is_missing)


def programmes_of(state: State) -> set[str]:
    """The programmes that a person's or a session's state speaks of."""
    if state["kind"] == "session":
        return {state["programme"]}
    found = {referral["programme"] for referral in state.get("referrals", {}).values()}
    # Only an age has been heard of a pathway without a programme; the rest comes later.
    found.update(p["programme"] for p in state.get("pathways", {}).values() if "programme" in p)
    return found


def pathways_of(state: State, programme: str) -> Iterator[tuple[str, State]]:
    for pathway_id, pathway in state.get("pathways", {}).items():
        if pathway.get("programme") == programme:
            yield pathway_id, pathway


def participation(state: State, programme: str, until: date | None = None) -> Participation | None:
    """What the state says of the person in the programme, or None when participation has not started.

    until: leave out what happened after this day (starts, ends, statuses after leaving).
    """
    limit = "9999-12-31" if until is None else until.isoformat()
    # ISO days sort as text, so nothing is parsed before it is needed.
    started = [
        (pathway["entry"][1], pathway_id, pathway)
        for pathway_id, pathway in pathways_of(state, programme)
        if "entry" in pathway and pathway["entry"][1] <= limit
    ]
    if not started:
        return None
    started_on, pathway_id, first = min(started, key=lambda item: item[:2])
    _, _, status, since, education, gender, _ = first["entry"]
    entry = Participation(
        entry_pathway=pathway_id,
        started_on=date.fromisoformat(started_on),
        status=status if status in STATUSES else None,
        since=None if since is None else date.fromisoformat(since),
        education=education,
        gender=gender if gender in GENDERS else "not-stated",
        age=_age_on(first.get("ages", {}), started_on),
    )
    entry = entry._replace(missing=_missing(entry))
    ends = [(_exit_in_force(pathway, limit), pathway_id) for _, pathway_id, pathway in started]
    if any(leaving is None for leaving, _ in ends):
        return entry
    leaving, pathway_id = max(ends, key=lambda item: (item[0][1], item[1]))  # type: ignore[index]
    return _with_exit(entry, pathway_id, leaving, limit)


def _age_on(ages: dict[str, list[int]], day: str) -> int | None:
    """The age stated for the day; else the one stated last, until the day's own is heard."""
    stated = ages.get(day) or max(ages.values(), default=None)
    return None if stated is None else stated[1]


def _exit_in_force(pathway: State, limit: str) -> list[Any] | None:
    leaving = pathway.get("exit")
    if leaving is None or len(leaving) == 1 or leaving[1] > limit:
        return None
    return list(leaving)


def _with_exit(entry: Participation, pathway_id: str, leaving: Any, limit: str) -> Participation:
    _, ended_on, status, status_on, in_education, qualification, _ = leaving
    known = status_on is not None and status_on <= limit
    return entry._replace(
        exit_pathway=pathway_id,
        ended_on=date.fromisoformat(ended_on),
        exit_status=status if known else None,
        status_on=date.fromisoformat(status_on) if known else None,
        in_education=bool(in_education) and known,
        qualification=bool(qualification) and known,
    )


def attendances(state: State, programme: str, until: date | None = None) -> tuple[int, int]:
    """Times the person was there and the minutes of them, in the programme."""
    limit = "9999-12-31" if until is None else until.isoformat()
    times = minutes = 0
    for _, pathway in pathways_of(state, programme):
        for _, held_on, length in pathway.get("attendance", {}).values():
            if length != ABSENT and held_on <= limit:
                times += 1
                minutes += length
    return times, minutes
