"""The forms of one pathway: shown, checked, carried out, or told why not."""

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from polku_events.refusals import Refused
from polku_pathway import views
from polku_pathway.api import AtDesk, Reader
from polku_pathway.desk import Desk
from polku_pathway.forms import FORMS, Errors, Form, faults, forms_of
from polku_pathway.model.pathway import Pathway
from polku_pathway.pages import LIST, words_of
from polku_pathway.texts import REFUSED, as_problem
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace
from polku_web.forms import Fields, seen_version, typed
from polku_web.pages import render
from polku_web.problems import Problem

router = APIRouter(include_in_schema=False)

SAID_ON_THE_FORM = {"nothing-changed", "another-open"}
"""Refusals that the reader can do something about right there; the others mean that the form is out of place."""


@router.get(f"{LIST}/{{pathway_id}}/{{name}}")
async def show(request: Request, who: Reader, desk: AtDesk, pathway_id: str, name: str) -> HTMLResponse:
    """The form, filled with what is known. Where the state does not allow it, 409 with the way back."""
    form = _form(name)
    pathway, _ = await desk.find(who, pathway_id)
    if not _fits(form, pathway):
        return _page(request, desk, who, form, pathway, Fields(), status=409)
    return _page(request, desk, who, form, pathway, form.values(desk, pathway))


@router.post(f"{LIST}/{{pathway_id}}/{{name}}")
async def send(request: Request, who: Reader, desk: AtDesk, pathway_id: str, name: str) -> Response:
    """Carries the form's command out. Wrong fields: 422 with the form; meanwhile changed: 409 with what changed."""
    form, values = _form(name), await typed(request)
    pathway, _ = await desk.find(who, pathway_id)
    seen = seen_version(values)
    if seen != pathway.version:
        return _page(request, desk, who, form, pathway, values, status=409, seen=seen)
    try:
        await desk.carry_out(who, pathway_id, seen, form.read(values))
    except ValidationError as error:
        return _page(request, desk, who, form, pathway, values, form.errors(faults(error)), 422)
    except Refused as refused:
        if refused.code == "invalid":
            return _page(request, desk, who, form, pathway, values, form.errors(refused.wrong), 422)
        if refused.code in SAID_ON_THE_FORM:
            said: Errors = {"form": REFUSED[refused.code]}
            return _page(request, desk, who, form, pathway, values, said, 422)
        raise as_problem(refused) from None
    except LostRace as lost:
        if not isinstance(lost.present, Pathway):
            raise Problem(404, "not-found") from None
        return _page(request, desk, who, form, lost.present, values, status=409, seen=seen)
    return RedirectResponse(f"{LIST}/{pathway_id}?done={form.name}", 303)


def _form(name: str) -> Form:
    if name not in FORMS:
        raise Problem(404, "not-found")
    return FORMS[name]


def _fits(form: Form, pathway: Pathway) -> bool:
    return form in forms_of(pathway, views.commands(pathway))


def _page(
    request: Request,
    desk: Desk,
    who: Principal,
    form: Form,
    pathway: Pathway,
    values: Fields,
    errors: Errors | None = None,
    status: int = 200,
    seen: int | None = None,
) -> HTMLResponse:
    """seen: the version that the reader had when the pathway is ahead of it; what came since is shown."""
    words = words_of(request, desk, who)
    return render(
        request,
        "form.html",
        status,
        words=words,
        form=form,
        pathway=pathway,
        shown=views.detail(desk, pathway),
        definition=desk.definition(pathway),
        values=values,
        errors=Fields({field: words.say(message) for field, message in (errors or {}).items()}),
        fits=_fits(form, pathway),
        conflict=seen is not None,
        news=views.lines(pathway, seen or 0) if seen is not None else [],
        back=f"{LIST}/{pathway.id}",
    )
