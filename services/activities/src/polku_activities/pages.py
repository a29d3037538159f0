"""HTML for people: the list of sessions, one session, and the form of a plan."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from polku_activities import forms, queries
from polku_activities.api import AtDesk, Reader
from polku_activities.desk import COMMANDS, Desk
from polku_activities.forms import Attempt
from polku_activities.model.session import Session
from polku_activities.repository import scope_of
from polku_activities.texts import DONE, say_wrong
from polku_runtime.access import Principal
from polku_web.pages import fragment_or_page, render
from polku_web.paging import Window

LIST = "/activities/sessions"
router = APIRouter(include_in_schema=False)


@router.get("/activities")
@router.get("/activities/")
async def home() -> RedirectResponse:
    """The service's home is this week's sessions."""
    return RedirectResponse(LIST, 303)


@router.get(LIST)
async def sessions(
    request: Request, who: Reader, desk: AtDesk, query: queries.AskedList, part: queries.AskedWindow
) -> HTMLResponse:
    """Sessions with their filters."""
    return fragment_or_page(request, "list.html", "sessions.html", **await _list(request, desk, who, query, part))


@router.get(f"{LIST}/rows")
async def rows(
    request: Request, who: Reader, desk: AtDesk, query: queries.AskedList, part: queries.AskedWindow
) -> HTMLResponse:
    """The part of the list that fetches itself when something changes."""
    return render(request, "rows.html", **await _list(request, desk, who, query, part))


@router.get(f"{LIST}/new")
async def new(
    request: Request, who: Reader, desk: AtDesk, programme: Annotated[str, Query(max_length=40)] = ""
) -> HTMLResponse:
    """An empty plan, in the programme that was chosen or the reader's first."""
    chosen = programme if programme in who.programmes else min(who.programmes, default="")
    return await plan_page(request, desk, who, Attempt(forms.first_plan(desk, chosen, who.id)))


@router.get(f"{LIST}/{{session_id}}")
async def one(request: Request, who: Reader, desk: AtDesk, session_id: str, done: str = "") -> HTMLResponse:
    """One session: its plan or its attendance, and what can be done."""
    session = await desk.find(who, session_id)
    return await session_page(request, desk, who, session, done=done)


@router.get(f"{LIST}/{{session_id}}/change")
async def change(request: Request, who: Reader, desk: AtDesk, session_id: str) -> HTMLResponse:
    """The plan as it is, to be changed. When it is too late for that, 409 with the session as it is now."""
    session = await desk.find(who, session_id)
    if session.state != "planned":
        return await session_page(request, desk, who, session, Attempt(overtaken=True))
    return await plan_page(request, desk, who, Attempt(forms.present_plan(session)), session)


async def session_page(
    request: Request,
    desk: Desk,
    who: Principal,
    session: Session,
    attempt: Attempt = Attempt(),
    done: str = "",
) -> HTMLResponse:
    """One session; with an attempt, the form that could not be carried out."""
    is_planned = session.state == "planned"
    cases = {one.pathway_id: one.case_code for one in session.plan.participants}
    people = await desk.sessions.open_pathways(session.programme) if is_planned else []
    shared = _shared(request, desk, who, attempt)
    return render(
        request,
        "session.html",
        attempt.status,
        **shared,
        session=session,
        cases=cases,
        # A row's fields end with whose row it is; out of the row, the message says so.
        summary={name: _whose(name, cases) + text for name, text in shared["errors"].items()},
        commands=COMMANDS[session.state],
        hold=attempt.sent if attempt.form == "hold" else forms.first_attendance(desk, session.plan),
        others=[one for one in people if one.pathway_id not in cases],
        overlapping=await desk.sessions.overlapping(session),
        is_later=session.plan.day > desk.today,
        has_begun=session.plan.starts_at <= desk.effects.now(),
        done=DONE.get(done),
    )


def _whose(name: str, cases: Mapping[str, str]) -> str:
    case = cases.get(name.partition("-")[2])
    return f"{case}: " if case else ""


async def plan_page(
    request: Request, desk: Desk, who: Principal, attempt: Attempt, session: Session | None = None
) -> HTMLResponse:
    """The form of a new plan, or of a session's when one is given."""
    programme = session.programme if session else attempt.sent.values["programme"]
    people = await desk.sessions.open_pathways(programme) if programme in who.programmes else []
    taking_part = session.plan.participants if session else ()
    known = {one.pathway_id for one in taking_part}
    return render(
        request,
        "plan.html",
        attempt.status,
        **_shared(request, desk, who, attempt),
        session=session,
        programmes=sorted(who.programmes),
        colleagues=await desk.colleagues(who),
        people=[*taking_part, *(one for one in people if one.pathway_id not in known)],
    )


def _shared(request: Request, desk: Desk, who: Principal, attempt: Attempt) -> dict[str, Any]:
    """What both pages with forms need."""
    errors = say_wrong(request.app.state.pages.texts, request.state.lang, attempt.wrong)
    return {
        "codes": desk.codes,
        "today": desk.today,
        "reader": who.id,
        "form": attempt.form,
        "values": attempt.sent.values,
        "ticked": attempt.sent.ticked,
        "overtaken": attempt.overtaken,
        "errors": errors,
    }


async def _list(request: Request, desk: Desk, who: Principal, query: queries.Asked, part: Window) -> dict[str, Any]:
    found = await queries.read(desk, who, query, part)

    def href(base: str = LIST, **changes: str | None) -> str:
        """The list's address with other filters; a changed filter starts from the first page."""
        kept = {**request.query_params, "after": None, **changes}
        asked = {name: value for name, value in kept.items() if value}
        return f"{base}?{urlencode(asked)}" if asked else base

    return {
        "rows": found.items,
        "next_page": found.next,
        "after": request.query_params.get("after"),
        "asked": query,
        "colleagues": [staff_id for staff_id in await desk.colleagues(who) if staff_id != who.id],
        "counts": await desk.sessions.counts(query.wanted(desk.today, who), scope_of(who)),
        "codes": desk.codes,
        "today": desk.today,
        "href": href,
        "reader": who.id,
    }
