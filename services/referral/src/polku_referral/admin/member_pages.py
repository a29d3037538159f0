"""HTML for managers and operators: X-Road members of an organisation, which are listed on its own page."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from polku_referral.admin import wire
from polku_referral.admin.member_api import AtMembers
from polku_referral.admin.pages import PLACE, Keeper, Sent, Trouble, attempt, carried_out, form, organisation_page
from polku_web.forms import Fields, chosen, said, typed

router = APIRouter(prefix=f"{PLACE}/{{organisation_id}}/x-road-members", include_in_schema=False)
FORM = "member-form.html"


async def _sent(request: Request, who: Keeper, at: AtMembers, organisation_id: str, member_id: str) -> Sent:
    """Raises Problem 404."""
    await at.one(member_id, organisation_id)

    async def again(trouble: Trouble) -> Response:
        return await organisation_page(request, at.admin, organisation_id, trouble=trouble)

    return Sent(who, at.admin, member_id, await typed(request), f"{PLACE}/{organisation_id}", again)


OfMember = Annotated[Sent, Depends(_sent)]


@router.get("/add")
async def new_member(
    request: Request, who: Keeper, at: AtMembers, organisation_id: str, name: str = ""
) -> HTMLResponse:
    """name: of one that has tried, to be registered here."""
    del who
    return form(request, FORM, **await _form(at, organisation_id, Fields(name=name)), scopes=list(wire.MEMBER_SCOPES))


@router.post("/add")
async def add_member(request: Request, who: Keeper, at: AtMembers, organisation_id: str) -> Response:
    values, scopes = await typed(request), await chosen(request, "scopes")

    async def work() -> str:
        fields = said(values, "scopes", "test")
        wish = wire.MemberIn.model_validate({**fields, "scopes": scopes, "test": bool(values["test"])})
        await at.add(who, organisation_id, wish.model_dump())
        return f"{PLACE}/{organisation_id}?done=member-added"

    found = await attempt(work)
    return carried_out(request, found, FORM, **await _form(at, organisation_id, values), scopes=scopes)


@router.get("/{member_id}/revoke")
async def really_revoke(
    request: Request, who: Keeper, at: AtMembers, organisation_id: str, member_id: str
) -> HTMLResponse:
    """Asks once more: the system stops at once."""
    del who
    member, owner = await at.one(member_id, organisation_id), await at.admin.organisation(organisation_id)
    return form(request, "member-revoke.html", member=member, organisation=owner)


@router.post("/{member_id}/revoke")
async def revoke(sent: OfMember, at: AtMembers) -> Response:
    return await sent.answered("member-revoked", at.revoke)


@router.post("/{member_id}/restore")
async def restore(sent: OfMember, at: AtMembers) -> Response:
    return await sent.answered("member-restored", at.restore)


async def _form(at: AtMembers, organisation_id: str, values: Fields) -> dict[str, Any]:
    owner = await at.admin.organisation(organisation_id)
    return {"known": owner, "values": values, "strangers": await at.members.strangers()}
