"""HTML for people: sessions, planning one, and one session with its attendance."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from polku_activities import forms, queries
from polku_activities.api import AtDesk, Reader
from polku_activities.desk import COMMANDS, Desk
from polku_activities.model.refusals import Refused
from polku_activities.model.session import Session
from polku_activities.repository import scope_of
from polku_activities.texts import REFUSED, WRONG
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace
from polku_web.formats import HELSINKI
from polku_web.forms import Fields, typed
from polku_web.i18n import Message, msg
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
async def new(request: Request, who: Reader, desk: AtDesk) -> HTMLResponse:
    return await _plan_form(request, desk, who, forms.first_plan(desk, who), frozenset())


@router.post(f"{LIST}/new")
async def plan(request: Request, who: Reader, desk: AtDesk) -> Response:
    """Plans a session and shows it, or says what is wrong beside the fields."""
    values, chosen = await typed(request), await forms.chosen(request, "pathway_ids")
    try:
        made = await desk.plan(who, forms.plan(values, chosen))
    except (ValidationError, Refused) as error:
        return await _plan_form(request, desk, who, values, chosen, forms.faults(error))
    return RedirectResponse(f"{LIST}/{made.id}?done=plan", 303)


@router.get(f"{LIST}/{{session_id}}")
async def one(request: Request, who: Reader, desk: AtDesk, session_id: str, done: str = "") -> HTMLResponse:
    """One session: its plan or its attendance, and what can be done."""
    return await _session(request, desk, who, session_id, done=DONE.get(done))


@router.get(f"{LIST}/{{session_id}}/change")
async def change_form(request: Request, who: Reader, desk: AtDesk, session_id: str) -> HTMLResponse:
    session = await desk.find(who, session_id)
    chosen = frozenset(one.pathway_id for one in session.plan.participants)
    return await _plan_form(request, desk, who, forms.present_plan(session), chosen, session=session)


@router.post(f"{LIST}/{{session_id}}/change")
async def change(request: Request, who: Reader, desk: AtDesk, session_id: str) -> Response:
    values, chosen = await typed(request), await forms.chosen(request, "pathway_ids")
    session = await desk.find(who, session_id)
    try:
        wish = forms.plan(values | {"programme": session.programme}, chosen)
        await desk.change(who, session_id, forms.version(values), wish)
    except LostRace:
        return await _session(request, desk, who, session_id, 409, conflict=True)
    except (ValidationError, Refused) as error:
        return await _plan_form(request, desk, who, values, chosen, forms.faults(error), session)
    return RedirectResponse(f"{LIST}/{session_id}?done=change", 303)


@router.post(f"{LIST}/{{session_id}}/hold")
async def hold(request: Request, who: Reader, desk: AtDesk, session_id: str) -> Response:
    """The whole attendance in one form."""
    walk_ins = await forms.chosen(request, "walk_ins")

    async def work(values: Fields) -> Session:
        session = await desk.find(who, session_id)
        people = [*session.plan.participants, *await desk.sessions.participants(session.programme, list(walk_ins))]
        return await desk.hold(who, session_id, forms.version(values), forms.hold(values, people, walk_ins))

    return await _carry_out(request, desk, who, session_id, "hold", work)


@router.post(f"{LIST}/{{session_id}}/correct")
async def correct(request: Request, who: Reader, desk: AtDesk, session_id: str) -> Response:
    async def work(values: Fields) -> Session:
        return await desk.correct(who, session_id, forms.version(values), forms.correction(values))

    return await _carry_out(request, desk, who, session_id, "correct", work)


@router.post(f"{LIST}/{{session_id}}/cancel")
async def cancel(request: Request, who: Reader, desk: AtDesk, session_id: str) -> Response:
    async def work(values: Fields) -> Session:
        return await desk.cancel(who, session_id, forms.version(values), forms.cancellation(values))

    return await _carry_out(request, desk, who, session_id, "cancel", work)


async def _carry_out(
    request: Request,
    desk: Desk,
    who: Principal,
    session_id: str,
    command: str,
    work: Callable[[Fields], Awaitable[Session]],
) -> Response:
    values = await typed(request)
    try:
        await work(values)
    except LostRace:
        return await _session(request, desk, who, session_id, 409, conflict=True, values=values)
    except (ValidationError, Refused) as error:
        wrong = forms.faults(error)
        status = 409 if isinstance(error, Refused) and error.code != "invalid" else 422
        return await _session(request, desk, who, session_id, status, wrong=wrong, values=values, form=command)
    return RedirectResponse(f"{LIST}/{session_id}?done={command}", 303)


async def _session(
    request: Request,
    desk: Desk,
    who: Principal,
    session_id: str,
    status: int = 200,
    *,
    done: Message | None = None,
    conflict: bool = False,
    wrong: Mapping[str, str] | None = None,
    values: Fields | None = None,
    form: str = "",
) -> HTMLResponse:
    session = await desk.find(who, session_id)
    is_planned = session.state == "planned"
    known = {one.person_id for one in session.plan.participants}
    people = await desk.sessions.open_pathways(session.programme) if is_planned else []
    context: dict[str, Any] = {
        "session": session,
        "codes": desk.codes,
        "today": desk.today,
        "commands": COMMANDS[session.state],
        "others": [one for one in people if one.person_id not in known],
        "overlapping": await desk.sessions.overlapping(session) if is_planned else [],
        "begun": session.plan.starts_at <= desk.effects.now(),
        "held_on": min(desk.today, session.plan.starts_at.astimezone(HELSINKI).date()),
        "reader": who.id,
        "done": done,
        "conflict": conflict,
        "form": form,
        "errors": _said(request, wrong),
        "values": values or Fields(),
    }
    return render(request, "session.html", status, **context)


async def _plan_form(
    request: Request,
    desk: Desk,
    who: Principal,
    values: Fields,
    chosen: frozenset[str],
    wrong: Mapping[str, str] | None = None,
    session: Session | None = None,
) -> HTMLResponse:
    programme = session.programme if session else values["programme"]
    people = await desk.sessions.open_pathways(programme) if programme in who.programmes else []
    context = {
        "session": session,
        "programmes": sorted(who.programmes),
        "people": people,
        "chosen": chosen,
        "codes": desk.codes,
        "today": desk.today,
        "errors": _said(request, wrong),
        "values": values,
    }
    return render(request, "plan.html", 422 if wrong else 200, **context)


async def _list(request: Request, desk: Desk, who: Principal, query: queries.Asked, part: Window) -> dict[str, Any]:
    found = await queries.read(desk, who, query, part)
    asked = {"state": query.state, "period": query.period, "activity": query.activity, "whose": query.whose}

    def href(base: str = LIST, **changes: str | None) -> str:
        kept = {name: value for name, value in {**asked, **changes}.items() if value}
        return f"{base}?{urlencode(kept)}"

    return {
        "rows": found.items,
        "next_page": found.next,
        "after": request.query_params.get("after"),
        "asked": query,
        "counts": await desk.sessions.counts(query.wanted(desk.today), who, scope_of(who)),
        "codes": desk.codes,
        "today": desk.today,
        "href": href,
        "reader": who.id,
        "moment_now": desk.effects.now(),
    }


def _said(request: Request, wrong: Mapping[str, str] | None) -> Fields:
    texts, lang = request.app.state.pages.texts, request.state.lang
    known = {**WRONG, **REFUSED}
    return Fields({field: texts.say(lang, known[code]) for field, code in (wrong or {}).items()})


DONE: Mapping[str, Message] = {
    "plan": msg("The session was planned."),
    "change": msg("The plan was changed."),
    "hold": msg("The session and its attendance were recorded."),
    "correct": msg("The attendance was corrected. Old and new are kept."),
    "cancel": msg("The session was cancelled."),
}
