"""The forms of sessions: carried out, or shown again with what is wrong and all that was typed."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from polku_activities import forms
from polku_activities.api import AtDesk, Reader
from polku_activities.desk import Desk
from polku_activities.faults import faults
from polku_activities.forms import Attempt, Sent
from polku_activities.model.session import Session
from polku_activities.pages import LIST, plan_page, session_page
from polku_events.refusals import Refused
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace

Wish = TypeVar("Wish")
"""What a form asks for, as the desk takes it."""

router = APIRouter(include_in_schema=False)


@router.post(f"{LIST}/new")
async def plan(request: Request, who: Reader, desk: AtDesk) -> Response:
    """Plans a session and shows it."""
    sent = await forms.sent(request)
    try:
        made = await desk.plan(who, forms.plan(sent))
    except (ValidationError, Refused) as error:
        return await plan_page(request, desk, who, Attempt(sent, "plan", faults(error, sent.values)))
    return RedirectResponse(f"{LIST}/{made.id}?done=plan", 303)


@router.post(f"{LIST}/{{session_id}}/change")
async def change(request: Request, who: Reader, desk: AtDesk, session_id: str) -> Response:
    """Another time, place or people."""
    return await _carry_out(request, desk, who, session_id, "change", forms.change, desk.change)


@router.post(f"{LIST}/{{session_id}}/hold")
async def hold(request: Request, who: Reader, desk: AtDesk, session_id: str) -> Response:
    """The whole attendance in one form."""
    return await _carry_out(request, desk, who, session_id, "hold", forms.hold, desk.hold)


@router.post(f"{LIST}/{{session_id}}/correct")
async def correct(request: Request, who: Reader, desk: AtDesk, session_id: str) -> Response:
    """One person's attendance."""
    return await _carry_out(request, desk, who, session_id, "correct", forms.correct, desk.correct)


@router.post(f"{LIST}/{{session_id}}/cancel")
async def cancel(request: Request, who: Reader, desk: AtDesk, session_id: str) -> Response:
    """With a reason."""
    return await _carry_out(request, desk, who, session_id, "cancel", forms.cancel, desk.cancel)


async def _carry_out(
    request: Request,
    desk: Desk,
    who: Principal,
    session_id: str,
    form: str,
    read: Callable[[Sent], Wish],
    command: Callable[[Principal, str, int, Wish], Awaitable[Session]],
) -> Response:
    """303 to the session; 422 with what is wrong beside the fields; 409 when the session has moved on meanwhile."""
    sent = await forms.sent(request)
    try:
        await command(who, session_id, sent.version, read(sent))
    except LostRace:
        attempt = Attempt(sent, form, overtaken=True)
    except ValidationError as error:
        attempt = Attempt(sent, form, faults(error, sent.values))
    except Refused as refused:
        if refused.code == "wrong-state":
            attempt = Attempt(sent, form, overtaken=True)
        else:
            attempt = Attempt(sent, form, faults(refused, sent.values))
    else:
        return RedirectResponse(f"{LIST}/{session_id}?done={form}", 303)
    session = await desk.find(who, session_id)
    if form == "change" and session.state == "planned":
        return await plan_page(request, desk, who, attempt, session)
    return await session_page(request, desk, who, session, attempt)
