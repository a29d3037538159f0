"""The shapes in which the API shows a pathway; pages draw from the same."""

from collections.abc import Mapping
from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from polku_events.pathway import Entry, Exit
from polku_pathway.desk import Desk
from polku_pathway.model.pathway import Pathway
from polku_pathway.model.rules import missing
from polku_pathway.model.timeline import Change, Line
from polku_pathway.repository import Exceptional


class View(BaseModel):
    model_config = ConfigDict(frozen=True)


class PathwaySummary(View):
    """One row of a case-load. due_on: last expected day in the stage; missing: what entry data lack."""

    id: str
    version: int
    case_code: str
    person_id: str
    programme: str
    state: str
    stage: str
    stage_labels: Mapping[str, str]
    stage_since: date
    due_on: date | None
    overdue: bool
    missing: tuple[str, ...]
    coordinator_id: str
    opened_on: date
    closed_on: date | None


class TimelineLine(View):
    """One event: the day it speaks of, when it was recorded and by whom (null: the system)."""

    version: int
    kind: str
    on: date
    at: datetime
    by: str | None
    reason: str | None
    detail: Mapping[str, str | int | bool | None]
    changes: tuple[Change, ...]


class ExceptionView(View):
    """Somebody's reasoned look into another coordinator's case."""

    pathway_id: str
    staff_id: str
    reason: str
    note: str
    at: datetime
    until: datetime


class PathwayDetail(PathwaySummary):
    """The whole pathway. commands: what is possible now; next_stages, reasons: what those may name."""

    route: str
    service: str
    organisation_id: str
    referrals: tuple[str, ...]
    entry: Entry | None
    exit: Exit | None
    outcome: str | None
    commands: tuple[str, ...]
    next_stages: tuple[str, ...]
    reasons: tuple[str, ...]
    timeline: tuple[TimelineLine, ...]


class PathwayList(View):
    """One page of a list; `next` is the cursor of the following one."""

    items: list[PathwaySummary]
    next: str | None


def summary(desk: Desk, pathway: Pathway) -> PathwaySummary:
    return PathwaySummary(**_summary(desk, pathway))


def detail(desk: Desk, pathway: Pathway) -> PathwayDetail:
    definition = desk.definition(pathway)
    return PathwayDetail(
        **_summary(desk, pathway),
        **{
            field: getattr(pathway, field)
            for field in ("route", "service", "organisation_id", "referrals", "entry", "exit", "outcome")
        },
        commands=commands(pathway),
        next_stages=tuple(step.code for step in definition.steps_from(pathway.stage)) if pathway.entry else (),
        reasons=definition.reasons_from(pathway.stage),
        timeline=tuple(lines(pathway)),
    )


def commands(pathway: Pathway) -> tuple[str, ...]:
    """The commands that the pathway's state allows."""
    if not pathway.is_open:
        return ("amend", "reopen") if pathway.entry else ("reopen",)
    return ("stage", "end", "amend") if pathway.entry else ("start", "end")


def lines(pathway: Pathway, after: int = 0) -> list[TimelineLine]:
    """The timeline from the event after version `after` on, oldest first."""
    return [_line(number, line) for number, line in enumerate(pathway.timeline, start=1) if number > after]


def exception(row: Exceptional) -> ExceptionView:
    return ExceptionView(**row._asdict())


def _line(version: int, line: Line) -> TimelineLine:
    return TimelineLine(version=version, **dict(line))


def _summary(desk: Desk, pathway: Pathway) -> dict[str, object]:
    definition = desk.definition(pathway)
    due_on = definition.due_on(pathway.stage, pathway.stage_since)
    same = ("id", "version", "case_code", "person_id", "programme", "stage", "stage_since", "coordinator_id")
    return {
        **{field: getattr(pathway, field) for field in (*same, "opened_on", "closed_on")},
        "state": "open" if pathway.is_open else "closed",
        "stage_labels": definition.labels_of(pathway.stage),
        "due_on": due_on,
        "overdue": due_on is not None and due_on < desk.today,
        "missing": missing(pathway.entry),
    }
