"""HTML for managers and operators: organisations, and what the pages of their agreements and clients share."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from polku_events.refusals import Refused
from polku_referral.admin import texts as words
from polku_referral.admin import views, wire
from polku_referral.admin.admin import Admin
from polku_referral.admin.api import admin_of
from polku_referral.admin.members import MemberAdmin
from polku_referral.code_maps import CodeMaps
from polku_referral.model.directory import Organisation
from polku_referral.pages import of_form, seen_in
from polku_referral.texts import REFUSED, WRONG
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace
from polku_web.doors import staff
from polku_web.forms import Fields, said, typed
from polku_web.i18n import Message
from polku_web.pages import render
from polku_web.paging import Window, window

PLACE = "/referral/organisations"
router = APIRouter(prefix=PLACE, include_in_schema=False)

Keeper = Annotated[Principal, Depends(staff("manager", "operator"))]
AtAdmin = Annotated[Admin, Depends(admin_of)]
Part = Annotated[Window, Depends(window)]


class Trouble(NamedTuple):
    """Why a form was not carried out: wrong, beside its fields; notice, before all."""

    status: int
    wrong: Mapping[str, Message] = {}
    notice: Message | None = None


async def attempt(work: Callable[[], Awaitable[str]]) -> str | Trouble:
    """The address to go on to, or what kept the form from being carried out."""
    try:
        return await work()
    except ValidationError as error:
        problems = error.errors(include_input=False)
        return Trouble(422, {str(problem["loc"][0]): of_form(problem["type"]) for problem in problems})
    except LostRace:
        return Trouble(409, notice=words.CHANGED_MEANWHILE)
    except Refused as refused:
        if refused.wrong:
            return Trouble(422, {field: WRONG[code] for field, code in refused.wrong})
        return Trouble(409, notice=REFUSED[refused.code])


@dataclass(frozen=True)
class Sent:
    """A command from the page of one organisation or client, as somebody sent it. about: its id.

    place: the page's address. again: the page with what kept the command from being carried out.
    """

    who: Principal
    admin: Admin
    about: str
    values: Fields
    place: str
    again: Callable[[Trouble], Awaitable[Response]]

    async def answered(
        self, done: str, change: Callable[..., Awaitable[object]], *said: object, **more: object
    ) -> Response:
        """Back to the page. done: a key of words.DONE."""

        async def work() -> str:
            await change(self.who, self.about, seen_in(self.values), *said, **more)
            return f"{self.place}?done={done}"

        found = await attempt(work)
        return await self.again(found) if isinstance(found, Trouble) else RedirectResponse(found, 303)


async def _sent(request: Request, who: Keeper, admin: AtAdmin, organisation_id: str) -> Sent:
    async def again(trouble: Trouble) -> Response:
        return await organisation_page(request, admin, organisation_id, trouble=trouble)

    return Sent(who, admin, organisation_id, await typed(request), f"{PLACE}/{organisation_id}", again)


OfOrganisation = Annotated[Sent, Depends(_sent)]


# -- organisations ------------------------------------------------------------------------------------------


@router.get("")
async def organisations(request: Request, who: Keeper, admin: AtAdmin, part: Part) -> HTMLResponse:
    """All organisations, by code."""
    del who
    cut = await admin.listed(part)
    rows = [views.organisation(one, admin.today) for one in cut.items]
    after = request.query_params.get("after")
    return render(request, "organisations.html", rows=rows, next_page=cut.next, after=after, words=words)


@router.get("/add")
async def new_organisation(request: Request, who: Keeper) -> HTMLResponse:
    del who
    return form(request, "organisation-form.html", values=Fields(kind="other", fhir_profile="sdoh"), known=None)


@router.post("/add")
async def add_organisation(request: Request, who: Keeper, admin: AtAdmin) -> Response:
    values = await typed(request)

    async def work() -> str:
        wish = wire.OrganisationIn.model_validate(_organisation_said(values))
        made = await admin.add_organisation(who, wish.model_dump())
        return f"{PLACE}/{made.id}?done=added"

    return carried_out(request, await attempt(work), "organisation-form.html", values=values, known=None)


@router.get("/{organisation_id}")
async def one_organisation(
    request: Request, who: Keeper, admin: AtAdmin, organisation_id: str, done: str = ""
) -> HTMLResponse:
    """One organisation with its agreements and clients."""
    del who
    return await organisation_page(request, admin, organisation_id, done=words.DONE.get(done))


@router.get("/{organisation_id}/change")
async def changed_organisation(request: Request, who: Keeper, admin: AtAdmin, organisation_id: str) -> HTMLResponse:
    del who
    known = await admin.organisation(organisation_id)
    return form(request, "organisation-form.html", values=_fields_of(known), known=known)


@router.post("/{organisation_id}/change")
async def change_organisation(request: Request, who: Keeper, admin: AtAdmin, organisation_id: str) -> Response:
    values = await typed(request)

    async def work() -> str:
        empty = {"business_id": None, "valid_from": None, "valid_until": None, "name": ""}
        wish = wire.OrganisationChange.model_validate({**empty, **_organisation_said(values)})
        await admin.change_organisation(who, organisation_id, seen_in(values), wish.model_dump())
        return f"{PLACE}/{organisation_id}?done=changed"

    known = await admin.organisation(organisation_id)
    return carried_out(request, await attempt(work), "organisation-form.html", values=values, known=known)


@router.get("/{organisation_id}/deactivate")
async def really_deactivate(request: Request, who: Keeper, admin: AtAdmin, organisation_id: str) -> HTMLResponse:
    """Asks once more: it shuts out every system of the organisation."""
    del who
    known = await admin.organisation(organisation_id)
    return render(request, "organisation-deactivate.html", organisation=known, place=PLACE)


@router.post("/{organisation_id}/deactivate")
async def deactivate(sent: OfOrganisation) -> Response:
    return await sent.answered("deactivated", sent.admin.open_organisation, active=False)


@router.post("/{organisation_id}/activate")
async def activate(sent: OfOrganisation) -> Response:
    return await sent.answered("activated", sent.admin.open_organisation, active=True)


# -- what the pages share -----------------------------------------------------------------------------------


async def organisation_page(
    request: Request, admin: Admin, organisation_id: str, *, done: Message | None = None, trouble: Trouble | None = None
) -> HTMLResponse:
    known, members = await admin.organisation(organisation_id), MemberAdmin(admin).members
    context = {
        "organisation": views.organisation(known, admin.today),
        "clients": [views.client(*one) for one in await admin.clients_of(organisation_id)],
        "waiting_codes": len(await CodeMaps(admin.directory.database, admin.effects).waiting(organisation_id)),
        "members": [views.member(one, known) for one in await members.of(organisation_id)],
        "strangers": await members.strangers(),
        **lists(admin),
        "done": done,
    }
    return form(request, "organisation.html", trouble, **context)


def carried_out(request: Request, found: str | Trouble, template: str, **context: Any) -> Response:
    """On to where the work led, or the form again with what is wrong."""
    return RedirectResponse(found, 303) if isinstance(found, str) else form(request, template, found, **context)


def form(request: Request, template: str, trouble: Trouble | None = None, **context: Any) -> HTMLResponse:
    """A page with what is wrong beside its fields, in the reader's language."""
    say, lang = request.app.state.pages.texts.say, request.state.lang
    trouble = trouble or Trouble(200)
    errors = Fields({name: say(lang, message) for name, message in trouble.wrong.items()})

    def options(labels: Mapping[str, Message]) -> list[tuple[str, str]]:
        return [(code, say(lang, label)) for code, label in labels.items()]

    more = {"errors": errors, "trouble": trouble.notice, "words": words, "options": options, "place": PLACE, **context}
    return render(request, template, trouble.status, **more)


def _organisation_said(values: Mapping[str, str]) -> dict[str, Any]:
    return {**said(values, "version", "aliases"), "aliases": [line for line in values["aliases"].splitlines() if line]}


def _fields_of(known: Organisation) -> Fields:
    """The form as the organisation is now; days as a date input takes them."""
    values = {name: value for name, value in known.model_dump(mode="json").items() if isinstance(value, str)}
    return Fields({**values, "aliases": "\n".join(known.aliases), "version": str(known.version)})


def lists(admin: Admin) -> dict[str, Any]:
    """What a template needs to name the codes of an agreement."""
    return {"codes": admin.codes, "today": admin.today}
