"""What entry and exit data must fulfil. Each function lists everything that is wrong, not only the first."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from polku_events.pathway import Entry, Exit
from polku_events.refusals import Wrong
from polku_pathway.model.definition import Definition

RESULT_WINDOW = timedelta(days=28)
"""A result counts when it is reached within four weeks after leaving (ESF+ common indicators)."""

MUNICIPALITY = re.compile(r"\d{3}", re.ASCII)
EARLIEST = date(1930, 1, 1)
"""Nobody in a programme has been in a labour-market status since before this."""


@dataclass(frozen=True)
class Rules:
    """What a decision is made by. allows(list, code, day): whether the code is in use. today: in Helsinki."""

    definition: Definition
    allows: Callable[[str, object, date], bool]
    today: date


def day_faults(field: str, day: date, rules: Rules) -> Iterator[Wrong]:
    """A day of participation lies inside the programme and not in the future."""
    if day > rules.today:
        yield Wrong(field, "in-future")
    elif not rules.definition.starts_on <= day <= rules.definition.ends_on:
        yield Wrong(field, "outside-programme")


def entry_faults(entry: Entry, rules: Rules) -> Iterator[Wrong]:
    """What is wrong in entry data; what is merely missing is no fault (see `missing`)."""
    yield from day_faults("started_on", entry.started_on, rules)
    for field in ("employment_status", "education", "gender"):
        value = getattr(entry, field)
        if value is not None and not rules.allows(field, value, entry.started_on):
            yield Wrong(field, "unknown-code")
    if entry.municipality is not None and not MUNICIPALITY.fullmatch(entry.municipality):
        yield Wrong("municipality", "unknown-code")
    if entry.since is not None:
        if entry.employment_status is None:
            yield Wrong("since", "without-status")
        elif entry.since > entry.started_on:
            yield Wrong("since", "after-start")
        elif entry.since < EARLIEST:
            yield Wrong("since", "too-early")


def exit_faults(leaving: Exit, started_on: date, stage: str, rules: Rules) -> Iterator[Wrong]:
    """What is wrong in exit data of a participation that started on a day and is left from a stage."""
    yield from day_faults("ended_on", leaving.ended_on, rules)
    if leaving.ended_on < started_on:
        yield Wrong("ended_on", "before-start")
    status = leaving.employment_status
    if status is not None and not rules.allows("employment_status", status, leaving.ended_on):
        yield Wrong("employment_status", "unknown-code")
    if leaving.status_on is not None:
        if leaving.status_on > rules.today:
            yield Wrong("status_on", "in-future")
        elif leaving.status_on < leaving.ended_on:
            yield Wrong("status_on", "before-end")
        elif leaving.status_on > leaving.ended_on + RESULT_WINDOW:
            yield Wrong("status_on", "after-window")
    yield from reason_faults(leaving.reason, leaving.ended_on, stage, rules)


def reason_faults(reason: str, on: date, stage: str, rules: Rules) -> Iterator[Wrong]:
    """A closing reason is in use, and its end can be reached from the stage."""
    if not rules.allows("closing_reason", reason, on) or rules.definition.end_for(reason) is None:
        yield Wrong("reason", "unknown-code")
    elif reason not in rules.definition.reasons_from(stage):
        yield Wrong("reason", "not-from-here")


def missing(entry: Entry | None) -> tuple[str, ...]:
    """Entry data that the funder's record still lacks; without it the person counts in the total only.

    `since` matters for the unemployed alone: it decides who is long-term unemployed.
    """
    if entry is None:
        return ()
    gaps = [field for field in ("employment_status", "education") if getattr(entry, field) is None]
    if entry.gender == "not-stated":
        gaps.append("gender")
    if entry.employment_status == "unemployed" and entry.since is None:
        gaps.append("since")
    return tuple(gaps)
