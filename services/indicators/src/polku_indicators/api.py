"""Figures for machines and staff, and the persons behind them for those who may see persons."""

import csv
import io
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel

from polku_indicators import asking
from polku_indicators.asking import FIGURE_ROLES, FIGURE_SCOPES, PERSON_ROLES, Moment, Shown
from polku_indicators.members import Member, Question, members
from polku_indicators.model.definitions import GENDERS, Labels
from polku_indicators.model.figures import Figure
from polku_runtime.access import Principal
from polku_web import paging
from polku_web.doors import staff, staff_or_client

router = APIRouter(prefix="/indicators/api/v1", tags=["figures"])

Reader = Annotated[Principal, Depends(staff_or_client(roles=FIGURE_ROLES, scopes=FIGURE_SCOPES))]
PersonReader = Annotated[Principal, Depends(staff(*PERSON_ROLES))]
Programme = Annotated[str, Path(max_length=40)]
Code = Annotated[str, Path(max_length=40)]
Day = Annotated[date, AfterValidator(asking.within_reach)]
Instant = Annotated[AwareDatetime, AfterValidator(asking.within_reach)]
AsOf = Annotated[Day | None, Query(description="What had happened by this day, as it is known.")]
AsKnown = Annotated[Instant | None, Query(description="What had been recorded by this instant.")]


class ForecastBody(BaseModel):
    """Where the figure will stand at the programme's end if the pace so far goes on."""

    state: str
    value: int | None
    expected_by_now: float | None


class FigureBody(BaseModel):
    """value is null for what nothing records yet. parts: minutes by activity as hours, or summed figures."""

    code: str
    kind: str
    labels: Labels
    label_source: str
    unit: str
    value: float | None
    target: int | None
    by_gender: dict[str, int]
    parts: dict[str, float]
    forecast: ForecastBody | None
    rule_version: str
    as_of: date
    as_known: datetime
    updated_at: datetime | None


class FiguresBody(BaseModel):
    programme: str
    labels: Labels
    starts_on: date
    ends_on: date
    figures: list[FigureBody]


class ProgrammeBody(BaseModel):
    programme: str
    labels: Labels
    starts_on: date
    ends_on: date
    links: dict[str, str]


class BehindBody(BaseModel):
    """in_force: the figure rests on this event; else another one took its place."""

    id: str
    type: str
    occurred_at: datetime
    in_force: bool


class MemberBody(BaseModel):
    """One person (or session) of a figure. reason is set for those who are left out."""

    id: str
    kind: str
    case_code: str | None
    gender: str | None
    amount: float | None
    reason: str | None
    missing: list[str]
    started_on: date | None
    ended_on: date | None
    activity: str | None
    held_on: date | None
    events: list[BehindBody]


class MembersBody(BaseModel):
    """rule: the conditions as the definition file gives them; null for what counts happenings."""

    code: str
    rule_version: str
    rule: dict[str, Any] | None
    as_of: date | None
    as_known: datetime | None
    counted: bool
    members: list[MemberBody]
    next: str | None


@router.get("/programmes")
async def list_programmes(request: Request, who: Reader) -> list[ProgrammeBody]:
    """The programmes that the caller may see."""
    return [
        ProgrammeBody(
            programme=plan.programme,
            labels=plan.labels,
            starts_on=plan.starts_on,
            ends_on=plan.ends_on,
            links={"figures": f"/indicators/api/v1/programmes/{plan.programme}/figures"},
        )
        for plan in asking.plans_for(request, who)
    ]


@router.get("/programmes/{programme}/figures")
async def read_figures(
    request: Request, who: Reader, programme: Programme, as_of: AsOf = None, as_known: AsKnown = None
) -> FiguresBody:
    """Every figure with value, target, gender and forecast; live, or of another day or moment."""
    plan = asking.plan_for(request, who, programme)
    shown = await asking.figures_at(request, plan, Moment(as_of, as_known))
    return FiguresBody(
        programme=plan.programme,
        labels=plan.labels,
        starts_on=plan.starts_on,
        ends_on=plan.ends_on,
        figures=[figure_body(figure, shown) for figure in shown.figures],
    )


@router.get(
    "/programmes/{programme}/figures.csv",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "One line per figure"}},
)
async def read_figures_as_csv(
    request: Request, who: Reader, programme: Programme, as_of: AsOf = None, as_known: AsKnown = None
) -> Response:
    """The same figures for a spreadsheet: UTF-8 with a mark, semicolons, labels in the caller's language."""
    plan = asking.plan_for(request, who, programme)
    shown = await asking.figures_at(request, plan, Moment(as_of, as_known))
    name = f"{plan.programme}-{shown.day.isoformat()}.csv"
    return Response(
        as_csv(shown, request.state.lang),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


@router.get("/programmes/{programme}/figures/{code}/members")
async def read_members(
    request: Request,
    response: Response,
    who: PersonReader,
    programme: Programme,
    code: Code,
    window: Annotated[paging.Window, Depends(paging.window)],
    counted: Annotated[bool, Query(description="false: who is left out, and why")] = True,
    as_of: AsOf = None,
    as_known: AsKnown = None,
) -> MembersBody:
    """Who is counted by which events and rule; or who is left out and for which reason."""
    plan = asking.plan_for(request, who, programme)
    code = asking.known_code(request, code)
    then = await asking.then(request, Moment(as_of, as_known))
    question = Question(plan.programme, code, counted, then, as_known)
    found = await page_of_members(request, question, window)
    paging.link(request, response, found.next)
    rules = asking.rules_of(request)
    rule = rules.rule(code)
    conditions = None if rule is None else rule.definition.conditions.model_dump(mode="json", exclude_none=True)
    return MembersBody(
        code=code,
        rule_version=rules.version,
        rule=conditions,
        as_of=as_of,
        as_known=as_known,
        counted=counted,
        members=[member_body(member) for member in found.items],
        next=found.next,
    )


async def page_of_members(request: Request, question: Question, window: paging.Window) -> paging.Page[Member]:
    """One page of a figure's members, by id."""
    after = "" if window.after is None else str(window.after[0])
    store, rules = asking.store_of(request), asking.rules_of(request)
    rows = await members(store, rules, question, after=after, limit=window.fetch)
    return paging.page(rows, window, lambda member: (member.subject,))


def figure_body(figure: Figure, shown: Shown) -> FigureBody:
    ahead = figure.forecast
    return FigureBody(
        code=figure.code,
        kind=figure.kind,
        labels=figure.labels,
        label_source=figure.label_source,
        unit=figure.unit,
        value=figure.value,
        target=figure.target,
        by_gender=dict(figure.by_gender),
        parts=dict(figure.parts),
        forecast=None
        if ahead is None
        else ForecastBody(
            state=ahead.state,
            value=ahead.value,
            expected_by_now=None if ahead.expected is None else round(ahead.expected, 1),
        ),
        rule_version=shown.rule_version,
        as_of=shown.day,
        as_known=shown.known,
        updated_at=shown.updated_at,
    )


def member_body(member: Member) -> MemberBody:
    values = asdict(member)
    values["id"] = values.pop("subject")
    return MemberBody.model_validate(values)


def as_csv(shown: Shown, lang: str) -> str:
    """Excel in Finland reads this as it is: byte order mark, semicolons, decimal comma unless English."""
    out = io.StringIO()
    rows = csv.writer(out, delimiter=";", lineterminator="\r\n")
    rows.writerow(["code", "label", "value", "target", "forecast", *GENDERS, "unit", "as_of", "rule_version"])
    for figure in shown.figures:
        ahead = figure.forecast
        rows.writerow(
            [
                figure.code,
                figure.labels.in_language(lang),
                _number(figure.value, lang),
                _number(figure.target, lang),
                _number(None if ahead is None else ahead.value, lang),
                *(figure.by_gender.get(gender, "") for gender in GENDERS),
                figure.unit,
                shown.day.isoformat(),
                shown.rule_version,
            ]
        )
    return "\ufeff" + out.getvalue()


def _number(value: float | None, lang: str) -> str:
    if value is None:
        return ""
    text = f"{value:g}" if value < 1e6 else str(value)
    return text if lang == "en" else text.replace(".", ",")
