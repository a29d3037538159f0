"""HTML for people: the case-load and one pathway."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from polku_events.refusals import Refused
from polku_pathway import queries, views
from polku_pathway.api import AtDesk, Reader
from polku_pathway.desk import Desk
from polku_pathway.forms import FORMS, forms_of
from polku_pathway.repository import Wanted
from polku_pathway.texts import WRONG
from polku_pathway.words import Words
from polku_runtime.access import Principal
from polku_web.doors import staff
from polku_web.forms import Fields, typed
from polku_web.i18n import Message, msg
from polku_web.pages import fragment_or_page, render
from polku_web.paging import Window

LIST = "/pathway/pathways"
router = APIRouter(include_in_schema=False)

Coordinator = Annotated[Principal, Depends(staff("coordinator"))]


@router.get("/pathway")
@router.get("/pathway/")
async def home() -> RedirectResponse:
    """The service's home is the case-load."""
    return RedirectResponse(LIST, 303)


@router.get(LIST)
async def caseload(
    request: Request, who: Reader, desk: AtDesk, query: queries.AskedList, part: queries.AskedWindow
) -> HTMLResponse:
    """The case-load with its filters."""
    context = await _list(request, desk, who, query.wanted(who), part)
    return fragment_or_page(request, "caseload.html", "list.html", **context)


@router.get(f"{LIST}/rows")
async def rows(
    request: Request, who: Reader, desk: AtDesk, query: queries.AskedList, part: queries.AskedWindow
) -> HTMLResponse:
    """The part of the list that fetches itself when something changes."""
    return render(request, "rows.html", **await _list(request, desk, who, query.wanted(who), part))


@router.post("/pathway/exceptions")
async def ask_exception(request: Request, who: Coordinator, desk: AtDesk) -> Response:
    """Opens another coordinator's case for a reason that is kept."""
    values = await typed(request)
    case, reason, note = (values.get(name, "")[:300] for name in ("case_code", "reason", "note"))
    needed = {name: WRONG["needed"] for name in ("case_code", "reason") if not values.get(name)}
    try:
        if not needed:
            granted = await desk.ask_exception(who, case, reason, note)
            return RedirectResponse(f"{LIST}/{granted.pathway_id}?done=exception", 303)
    except Refused as refused:
        needed = {field: WRONG[code] for field, code in refused.wrong}
    context = await _list(request, desk, who, Wanted(), Window(None, 50), errors=needed, values=values)
    return render(request, "list.html", 422, **context)


@router.get(f"{LIST}/{{pathway_id}}")
async def one(request: Request, who: Reader, desk: AtDesk, pathway_id: str, done: str = "") -> HTMLResponse:
    """One person's pathway: where it is, what is missing, what can be done, what has happened."""
    told = {name: form.done for name, form in FORMS.items()} | {"exception": EXCEPTION_OPEN}
    context = await _pathway(request, desk, who, pathway_id)
    return render(request, "pathway.html", done=told.get(done), **context)


@router.get(f"{LIST}/{{pathway_id}}/now")
async def now(request: Request, who: Reader, desk: AtDesk, pathway_id: str) -> HTMLResponse:
    """The part of the page that fetches itself when the pathway changes."""
    return render(request, "now.html", **await _pathway(request, desk, who, pathway_id))


def words_of(request: Request, desk: Desk, who: Principal) -> Words:
    return Words(desk, request.app.state.pages.texts, request.state.lang, who.id)


async def _pathway(request: Request, desk: Desk, who: Principal, pathway_id: str) -> dict[str, Any]:
    pathway, scope = await desk.find(who, pathway_id)
    shown = views.detail(desk, pathway)
    return {
        "words": words_of(request, desk, who),
        "pathway": pathway,
        "shown": shown,
        "definition": desk.definition(pathway),
        "forms": forms_of(pathway, shown.commands),
        "others": await desk.pathways.others_of(pathway, scope),
        "exceptions": await desk.pathways.exceptions_of(pathway.id),
        "foreign": pathway.coordinator_id != who.id and not who.has_role("manager"),
    }


async def _list(
    request: Request,
    desk: Desk,
    who: Principal,
    wanted: Wanted,
    part: Window,
    *,
    errors: dict[str, Message] | None = None,
    values: dict[str, str] | None = None,
) -> dict[str, Any]:
    found = await queries.read(desk, who, wanted, part)
    scope = await desk.pathways.scope_of(who)
    words = words_of(request, desk, who)
    counts = await desk.pathways.counts(who, scope, desk.today, own=wanted.own)
    stages = desk.catalogue.stages()
    asked = {name: value for name, value in request.query_params.items() if value}

    def href(*, base: str = LIST, **changes: object) -> str:
        """The list's address with other filters; a changed filter starts from the first page."""
        kept = {**asked, "after": None, **changes}
        query = {name: value for name, value in kept.items() if value not in (None, "", False)}
        return base + (f"?{urlencode(query)}" if query else "")

    return {
        "words": words,
        "wanted": wanted,
        "shown": [views.summary(desk, pathway) for pathway in found.items],
        "counts": counts,
        "stages": stages,
        "total": sum(counts.get(stage, 0) for stage in stages),
        "href": href,
        "here_after": asked.get("after"),
        "next_page": found.next,
        "errors": errors or {},
        "errors_said": Fields({field: words.say(message) for field, message in (errors or {}).items()}),
        "values": Fields(values or {}),
    }


EXCEPTION_OPEN = msg("The case is open to you for three hours. Who, when and why was recorded.")
