"""The dashboard of a programme and the lists behind its numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from polku_indicators import asking, texts
from polku_indicators.api import page_of_members
from polku_indicators.asking import FIGURE_ROLES, PERSON_ROLES, Moment, Shown
from polku_indicators.members import Question
from polku_indicators.model.definitions import GENDERS
from polku_indicators.model.figures import Figure
from polku_indicators.model.plan import Plan
from polku_runtime.access import Principal
from polku_web import paging
from polku_web.doors import staff
from polku_web.formats import HELSINKI
from polku_web.pages import fragment_or_page, render

router = APIRouter(include_in_schema=False)

Reader = Annotated[Principal, Depends(staff(*FIGURE_ROLES))]
PersonReader = Annotated[Principal, Depends(staff(*PERSON_ROLES))]
Programme = Annotated[str, Path(max_length=40)]

NATIONAL = ("EECO02", "FI-OUTSIDE", "EECO05", "FI-STUDYING")
"""The national view: each participant with complete data is in exactly one."""


@dataclass(frozen=True)
class Asked:
    """The moment as the page's form states it. then: also as it was known at the end of that day."""

    day: date | None
    then: bool

    def moment(self) -> Moment:
        if self.day is None:
            return Moment()
        midnight = datetime.combine(self.day + timedelta(days=1), time(), HELSINKI)
        return Moment(self.day, midnight - timedelta(milliseconds=1) if self.then else None)

    @property
    def query(self) -> str:
        """What a link has to carry so that it shows the same moment."""
        if self.day is None:
            return ""
        return f"?as_of={self.day.isoformat()}" + ("&then=yes" if self.then else "")


def asked(
    as_of: Annotated[str, Query(max_length=10, pattern=r"^(\d{4}-\d{2}-\d{2})?$")] = "",
    then: Annotated[str, Query(max_length=3)] = "",
) -> Asked:
    """FastAPI dependency. An empty field of the form means now; so does a day that there is not."""
    try:
        day = asking.within_reach(date.fromisoformat(as_of)) if as_of else None
    except ValueError:
        day = None
    return Asked(day, then == "yes" and day is not None)


AskedMoment = Annotated[Asked, Depends(asked)]


@router.get("/indicators/")
async def programmes(request: Request, who: Reader) -> Response:
    """The reader's programmes; the only one opens at once."""
    plans = asking.plans_for(request, who)
    if len(plans) == 1:
        return RedirectResponse(_address(plans[0]), 303)
    return render(request, "programmes.html", plans=plans)


@router.get("/indicators/programmes/{programme}")
async def dashboard(request: Request, who: Reader, programme: Programme, wanted: AskedMoment) -> HTMLResponse:
    """Value against target with a forecast, by gender, national view, results, sessions and attendance."""
    plan = asking.plan_for(request, who, programme)
    shown = await asking.figures_at(request, plan, wanted.moment())
    return fragment_or_page(
        request, "figures.html", "dashboard.html", **_context(request, shown, wanted, sees_persons=_sees(who))
    )


@router.get("/indicators/programmes/{programme}/figures/{code}")
async def members(
    request: Request,
    who: PersonReader,
    programme: Programme,
    code: Annotated[str, Path(max_length=40)],
    window: Annotated[paging.Window, Depends(paging.window)],
    wanted: AskedMoment,
    left_out: Annotated[str, Query(max_length=3)] = "",
) -> HTMLResponse:
    """Who is behind a number and why; or who is left out and why."""
    plan = asking.plan_for(request, who, programme)
    code = asking.known_code(request, code)
    rules = asking.rules_of(request)
    rule = rules.rule(code)
    counted = left_out != "yes" or rule is None
    shown = await asking.figures_at(request, plan, wanted.moment())
    question = Question(programme, code, counted, shown.then, shown.moment.known)
    found = await page_of_members(request, question, window)
    say = request.app.state.pages.texts.say
    words = {status: say(request.state.lang, text) for status, text in texts.STATUSES.items()}
    return render(
        request,
        "members.html",
        plan=plan,
        shown=shown,
        asked=wanted,
        figure=next(figure for figure in shown.figures if figure.code == code),
        counted=counted,
        countable=rule is not None,
        conditions=[] if rule is None else texts.conditions_of(rule, words),
        rows=found.items,
        next=paging.next_href(request, found.next),
        first=None if window.after is None else request.url.path + _without_cursor(request),
        back=_address(plan) + wanted.query,
        reasons=texts.REASONS,
        missing=texts.MISSING,
        events=texts.EVENTS,
        activities=rules.definitions.activities,
    )


def _address(plan: Plan) -> str:
    return f"/indicators/programmes/{plan.programme}"


def _sees(who: Principal) -> bool:
    return who.has_role(*PERSON_ROLES)


def _without_cursor(request: Request) -> str:
    kept = [f"{name}={value}" for name, value in request.query_params.items() if name != "after"]
    return f"?{'&'.join(kept)}" if kept else ""


def _context(request: Request, shown: Shown, wanted: Asked, *, sees_persons: bool) -> dict[str, Any]:
    by_code = {figure.code: figure for figure in shown.figures}
    base = _address(shown.plan)

    def pick(codes: Iterable[str]) -> list[Figure]:
        return [by_code[code] for code in codes]

    def href(code: str) -> str | None:
        return f"{base}/figures/{code}{wanted.query}" if sees_persons else None

    return {
        "shown": shown,
        "plan": shown.plan,
        "asked": wanted,
        "address": base + wanted.query,
        "csv": f"/indicators/api/v1/programmes/{shown.plan.programme}/figures.csv{_csv_query(shown)}",
        "today": request.app.state.effects.now().astimezone(HELSINKI).date(),
        "href": href,
        "total": by_code["EECO01"],
        "inactive": by_code["EECO04"],
        "national": pick(NATIONAL),
        "results": [figure for figure in shown.figures if figure.kind == "result"],
        "outputs": [figure for figure in shown.figures if figure.kind == "output"],
        "tallies": [figure for figure in shown.figures if figure.kind == "tally"],
        "unrecorded": [figure for figure in shown.figures if figure.kind == "unrecorded"],
        "genders": GENDERS,
        "gender_names": texts.GENDERS,
        "activities": asking.rules_of(request).definitions.activities,
    }


def _csv_query(shown: Shown) -> str:
    parts = []
    if shown.moment.day is not None:
        parts.append(f"as_of={shown.moment.day.isoformat()}")
    if shown.moment.known is not None:
        instant = shown.moment.known.astimezone(HELSINKI).isoformat().replace("+", "%2B")
        parts.append(f"as_known={instant}")
    return f"?{'&'.join(parts)}" if parts else ""
