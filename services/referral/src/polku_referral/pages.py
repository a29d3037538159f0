"""HTML for people: the inbox and one referral."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from polku_events.refusals import Refused
from polku_referral import answering
from polku_referral.api.referrals import AtDesk, Coordinator
from polku_referral.desk import Desk
from polku_referral.model.clocks import due_of, level_on, waits_for
from polku_referral.model.referral import WAITING, Step, commands_of, own_codes
from polku_referral.repository import LATE, scope_of
from polku_referral.texts import WRONG
from polku_referral.views import PROJECT, told
from polku_referral.wishes import AcceptIn, DeclineIn, MapCodesIn, NothingIn
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace
from polku_web.doors import staff
from polku_web.forms import Fields, said, typed
from polku_web.i18n import Message, msg
from polku_web.pages import fragment_or_page, render
from polku_web.paging import Window, window

INBOX = "/referral/referrals"
OWN = "own"
VERSION = re.compile(r"[0-9]{1,9}", re.ASCII)
router = APIRouter(include_in_schema=False)

Reader = Annotated[Principal, Depends(staff(*PROJECT, "referrer"))]
Part = Annotated[Window, Depends(window)]


@router.get("/referral")
@router.get("/referral/")
async def home() -> RedirectResponse:
    """The service's home is the inbox: what waits for an answer."""
    return RedirectResponse(f"{INBOX}?state=received", 303)


@router.get(INBOX)
async def inbox(
    request: Request, who: Reader, desk: AtDesk, part: Part, state: str = "", whose: str = ""
) -> HTMLResponse:
    """The inbox with its states."""
    shown = await _list(request, desk, who, part, state, whose)
    return fragment_or_page(request, "inbox-list.html", "inbox.html", **shown)


@router.get(f"{INBOX}/rows")
async def rows(
    request: Request, who: Reader, desk: AtDesk, part: Part, state: str = "", whose: str = ""
) -> HTMLResponse:
    """The part of the list that fetches itself when something changes."""
    return render(request, "inbox-rows.html", **await _list(request, desk, who, part, state, whose))


@router.get(f"{INBOX}/{{referral_id}}")
async def one(request: Request, who: Reader, desk: AtDesk, referral_id: str, done: str = "") -> HTMLResponse:
    """One referral: who, from where, why; and what is to be answered."""
    return await _referral(request, desk, who, referral_id, done=done)


@router.get(f"{INBOX}/{{referral_id}}/news")
async def news(request: Request, who: Reader, desk: AtDesk, referral_id: str, version: str = "") -> HTMLResponse:
    """What has become of it since the page of that version was opened; nothing when nothing has."""
    referral = (await desk.find(who, referral_id)).referral
    since = referral.history[seen_in(Fields(version=version)) :]
    return render(request, "news.html", referral=referral, news=since, **await _steps(desk, who, since))


@router.post(f"{INBOX}/{{referral_id}}/accept")
async def accept(request: Request, who: Coordinator, desk: AtDesk, referral_id: str) -> Response:
    return await _answer(request, who, desk, referral_id, "accept")


@router.post(f"{INBOX}/{{referral_id}}/decline")
async def decline(request: Request, who: Coordinator, desk: AtDesk, referral_id: str) -> Response:
    return await _answer(request, who, desk, referral_id, "decline")


@router.post(f"{INBOX}/{{referral_id}}/confirm-withdrawal")
async def confirm_withdrawal(request: Request, who: Coordinator, desk: AtDesk, referral_id: str) -> Response:
    return await _answer(request, who, desk, referral_id, "confirm-withdrawal")


@router.post(f"{INBOX}/{{referral_id}}/map-codes")
async def map_codes(request: Request, who: Coordinator, desk: AtDesk, referral_id: str) -> Response:
    return await _answer(request, who, desk, referral_id, "map-codes")


async def _answer(request: Request, who: Principal, desk: Desk, referral_id: str, command: str) -> Response:
    """Carries out a form; what is wrong with it is shown beside its fields, a lost race with the present state."""
    values = await typed(request)
    seen = seen_in(values)
    fields = said(values, "version")
    try:
        match command:
            case "accept":
                await answering.accept(desk, who, referral_id, seen, AcceptIn.model_validate(fields))
            case "decline":
                await answering.decline(desk, who, referral_id, seen, DeclineIn.model_validate(fields))
            case "map-codes":
                await answering.map_codes(desk, who, referral_id, seen, MapCodesIn.model_validate(fields))
            case _:
                await answering.confirm_withdrawal(desk, who, referral_id, seen, NothingIn.model_validate(fields))
    except ValidationError as error:
        wrong = {str(problem["loc"][0]): of_form(problem["type"]) for problem in error.errors(include_input=False)}
        return await _referral(request, desk, who, referral_id, 422, wrong=wrong, values=values)
    except (LostRace, Refused) as refused:
        if isinstance(refused, LostRace) or not refused.wrong:
            return await _referral(request, desk, who, referral_id, 409, since=seen, values=values)
        wrong = {field: WRONG[code] for field, code in refused.wrong}
        return await _referral(request, desk, who, referral_id, 422, wrong=wrong, values=values)
    return RedirectResponse(f"{INBOX}/{referral_id}?done={command}", 303)


async def _referral(
    request: Request,
    desk: Desk,
    who: Principal,
    referral_id: str,
    status: int = 200,
    *,
    done: str = "",
    since: int | None = None,
    wrong: Mapping[str, Message] | None = None,
    values: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """done: the command that led here. since: the version that a command was made for which came too late."""
    kept = await desk.find(who, referral_id)
    is_project = who.has_role(*PROJECT)
    partner = await desk.directory.organisation(kept.referral.forwarded_to or "")
    say, lang = request.app.state.pages.texts.say, request.state.lang
    context: dict[str, Any] = {
        "referral": told(kept.referral, await desk.returns(who, kept.referral)),
        "opened": await desk.open_person(who, kept) if is_project else None,
        "messages": await desk.messages(who, kept),
        "partner": partner.name if partner else None,
        "earlier": [
            row
            for row in await desk.repository.of_person(kept.referral.person_id, scope_of(who))
            if row.id != referral_id
        ],
        "coordinators": await desk.directory.coordinators(kept.referral.programme) if is_project else [],
        **_clock(desk),
        **await _steps(desk, who, kept.referral.history),
        "commands": commands_of(kept.referral) if is_project else (),
        "own_codes": own_codes,
        "today": desk.today,
        "done": _done(done, kept.referral.history[-1].kind),
        "conflict": since is not None,
        "news": kept.referral.history[since:] if since else (),
        "errors": Fields({field: say(lang, message) for field, message in (wrong or {}).items()}),
        "values": Fields(values or {}),
    }
    return render(request, "referral.html", status, **context)


async def _list(request: Request, desk: Desk, who: Principal, part: Window, state: str, whose: str) -> dict[str, Any]:
    wanted = state if state in (*desk.codes.lists["state"], LATE) else None
    own = whose == OWN and who.has_role(*PROJECT)
    cut = await desk.listed(who, part, state=wanted, own=own)

    def href(base: str = INBOX, **query: str | None) -> str:
        """An address of the list; whose it shows stays as it is unless the query says otherwise."""
        kept = {name: value for name, value in {"whose": OWN if own else None, **query}.items() if value}
        return base + (f"?{urlencode(kept)}" if kept else "")

    return {
        "rows": cut.items,
        "next_page": cut.next,
        "after": request.query_params.get("after"),
        "state": wanted or "",
        "own": own,
        "counts": await desk.repository.counts(scope_of(who, own=own)),
        "late": await desk.repository.count_late(scope_of(who, own=own)) if who.has_role("manager") else None,
        **_clock(desk),
        "codes": desk.codes,
        "today": desk.today,
        "href": href,
        "is_project": who.has_role(*PROJECT),
    }


async def _steps(desk: Desk, who: Principal, steps: Sequence[Step]) -> dict[str, Any]:
    """What a template needs to tell lines of history; a sender does not learn who of the project it was."""
    is_project = who.has_role(*PROJECT)
    by = {step.by for step in steps if step.by} if is_project else set()
    return {"names": await desk.directory.names(by), "codes": desk.codes, "is_project": is_project}


def _done(command: str, last: str) -> Message | None:
    """What is said once a command is carried out; nothing any more when something else has happened since."""
    step, message = DONE.get(command, ("", None))
    return message if step == last else None


def _clock(desk: Desk) -> dict[str, Any]:
    """What a template asks about a referral's time."""
    return {
        "waiting": WAITING,
        "due_of": due_of,
        "waits_for": waits_for,
        "level_of": lambda row: level_on(row, desk.terms, desk.today),
    }


def seen_in(values: Fields) -> int:
    """The version that a form was made from; 0, which is never there, for what is none."""
    return int(values["version"]) if VERSION.fullmatch(values["version"]) else 0


def of_form(kind: str) -> Message:
    """What pydantic's kind of error says beside a field."""
    return WRONG["not-a-day" if kind.startswith("date") else "needed" if kind == "missing" else "not-valid"]


DONE: Mapping[str, tuple[str, Message]] = {
    "accept": ("accepted", msg("The referral was accepted. The pathway opens by itself and the sender hears of it.")),
    "decline": ("declined", msg("The referral was declined. The sender hears the reason.")),
    "confirm-withdrawal": ("withdrawn", msg("The referral was given back. The sender hears of it.")),
    "map-codes": ("codes-mapped", msg("What the sender’s codes stand for was saved. The sender hears of it.")),
}
"""Command → the line of history that it leaves, and what is said."""
