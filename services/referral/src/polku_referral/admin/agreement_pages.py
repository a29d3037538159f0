"""HTML for managers and operators: what was agreed with one organisation, and until when."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from polku_referral.admin import texts as words
from polku_referral.admin import wire
from polku_referral.admin.pages import PLACE, AtAdmin, Keeper, attempt, carried_out, form, lists
from polku_referral.model.agreements import Agreement
from polku_referral.model.directory import Organisation
from polku_referral.pages import seen_in
from polku_web.forms import Fields, chosen, said, typed
from polku_web.problems import Problem

LISTS = ("programmes", "routes", "services")
router = APIRouter(prefix=f"{PLACE}/{{organisation_id}}/agreements", include_in_schema=False)


@router.get("/add")
async def new_agreement(request: Request, who: Keeper, admin: AtAdmin, organisation_id: str) -> HTMLResponse:
    del who
    known = await admin.organisation(organisation_id)
    values = Fields(starts_on=admin.today.isoformat())
    ticked = {**{name: [] for name in LISTS}, "returns": list(words.RETURNED)}
    return form(request, "agreement-form.html", values=values, ticked=ticked, known=known, **lists(admin))


@router.post("/add")
async def add_agreement(request: Request, who: Keeper, admin: AtAdmin, organisation_id: str) -> Response:
    values = await typed(request)
    ticked = {name: await chosen(request, name) for name in (*LISTS, "returns")}

    async def work() -> str:
        wish = wire.AgreementIn.model_validate({**said(values, "version", *ticked), **ticked})
        await admin.add_agreement(who, organisation_id, seen_in(values), wish.model_dump())
        return f"{PLACE}/{organisation_id}?done=agreed"

    known = await admin.organisation(organisation_id)
    more = {"values": values, "ticked": ticked, "known": known, **lists(admin)}
    return carried_out(request, await attempt(work), "agreement-form.html", **more)


@router.get("/{agreement_id}/end")
async def agreement_s_end(
    request: Request, who: Keeper, admin: AtAdmin, organisation_id: str, agreement_id: str
) -> HTMLResponse:
    """Asks for the last day."""
    del who
    known = await admin.organisation(organisation_id)
    agreement = _agreement(known, agreement_id)
    last = agreement.ends_on or admin.today
    return form(
        request, "agreement-end.html", known=known, agreement=agreement, values=Fields(ends_on=last.isoformat())
    )


@router.post("/{agreement_id}/end")
async def end_agreement(
    request: Request, who: Keeper, admin: AtAdmin, organisation_id: str, agreement_id: str
) -> Response:
    values = await typed(request)

    async def work() -> str:
        wish = wire.AgreementEnd.model_validate(said(values, "version"))
        await admin.end_agreement(who, organisation_id, seen_in(values), agreement_id, wish.ends_on)
        return f"{PLACE}/{organisation_id}?done=ended"

    known = await admin.organisation(organisation_id)
    agreement = _agreement(known, agreement_id)
    more = {"known": known, "agreement": agreement, "values": values}
    return carried_out(request, await attempt(work), "agreement-end.html", **more)


def _agreement(known: Organisation, agreement_id: str) -> Agreement:
    """Raises Problem 404."""
    found = next((one for one in known.agreements if one.id == agreement_id), None)
    if found is None:
        raise Problem(404, "not-found")
    return found
