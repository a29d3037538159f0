"""HTML for managers and operators: one machine client, its keys, and shutting it out."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from polku_referral.admin import texts as words
from polku_referral.admin import views, wire
from polku_referral.admin.admin import Admin
from polku_referral.admin.pages import PLACE, AtAdmin, Keeper, Trouble, attempt, form
from polku_referral.door.oauth import TOKEN
from polku_referral.pages import seen_in
from polku_web.forms import Fields, chosen, said, typed
from polku_web.i18n import Message

router = APIRouter(prefix=f"{PLACE}/{{organisation_id}}/clients", include_in_schema=False)
FORM = "client-form.html"


@router.get("/add")
async def new_client(request: Request, who: Keeper, admin: AtAdmin, organisation_id: str) -> HTMLResponse:
    del who
    ticked = {"scopes": ["referrals:write", "referrals:read"]}
    return form(request, FORM, values=Fields(), ticked=ticked, known=await admin.organisation(organisation_id))


@router.post("/add")
async def add_client(request: Request, who: Keeper, admin: AtAdmin, organisation_id: str) -> Response:
    """Shows what the developer needs, and a private key that was made here, once."""
    values, ticked = await typed(request), {"scopes": await chosen(request, "scopes")}
    owner = await admin.organisation(organisation_id)
    shown: dict[str, Any] = {}

    async def work() -> str:
        fields = said(values, "scopes", "test")
        wish = wire.ClientIn.model_validate({**fields, **ticked, "test": bool(values["test"])})
        made, private = await admin.add_client(who, owner.id, wish.model_dump(exclude={"public_key"}), wish.public_key)
        shown.update(client=made, private=private)
        return ""

    found = await attempt(work)
    if isinstance(found, Trouble):
        return form(request, FORM, found, values=values, ticked=ticked, known=owner)
    origin = request.app.state.settings.base_url
    return form(request, "client-made.html", organisation=owner, origin=origin, token_endpoint=origin + TOKEN, **shown)


@router.get("/{client_id}")
async def one_client(
    request: Request, who: Keeper, admin: AtAdmin, organisation_id: str, client_id: str, done: str = ""
) -> HTMLResponse:
    """One client: fingerprints of its keys, last use, refused tries."""
    del who
    return await _client(request, admin, organisation_id, client_id, done=words.DONE.get(done))


@router.post("/{client_id}/keys/add")
async def add_key(request: Request, who: Keeper, admin: AtAdmin, organisation_id: str, client_id: str) -> Response:
    values = await typed(request)
    await admin.client(client_id, organisation_id)

    async def work() -> str:
        wish = wire.KeyIn.model_validate(said(values, "version"))
        await admin.add_key(who, client_id, seen_in(values), wish.public_key)
        return "key-added"

    return await _answered(request, admin, organisation_id, client_id, await attempt(work), values)


@router.post("/{client_id}/keys/remove")
async def remove_key(request: Request, who: Keeper, admin: AtAdmin, organisation_id: str, client_id: str) -> Response:
    values = await typed(request)
    await admin.client(client_id, organisation_id)

    async def work() -> str:
        leaked = bool(values["leaked"])
        await admin.remove_key(who, client_id, seen_in(values), values["thumbprint"], leaked=leaked)
        return "key-removed"

    return await _answered(request, admin, organisation_id, client_id, await attempt(work))


@router.get("/{client_id}/revoke")
async def really_revoke(
    request: Request, who: Keeper, admin: AtAdmin, organisation_id: str, client_id: str
) -> HTMLResponse:
    """Asks once more: the system stops at once."""
    del who
    client, owner = await admin.client(client_id, organisation_id), await admin.organisation(organisation_id)
    return form(request, "client-revoke.html", client=client, organisation=owner)


@router.post("/{client_id}/revoke")
async def revoke(request: Request, who: Keeper, admin: AtAdmin, organisation_id: str, client_id: str) -> Response:
    values = await typed(request)
    await admin.client(client_id, organisation_id)

    async def work() -> str:
        await admin.revoke(who, client_id, seen_in(values))
        return "revoked"

    return await _answered(request, admin, organisation_id, client_id, await attempt(work))


@router.post("/{client_id}/restore")
async def restore(request: Request, who: Keeper, admin: AtAdmin, organisation_id: str, client_id: str) -> Response:
    values = await typed(request)
    await admin.client(client_id, organisation_id)

    async def work() -> str:
        await admin.restore(who, client_id, seen_in(values))
        return "restored"

    return await _answered(request, admin, organisation_id, client_id, await attempt(work))


async def _answered(
    request: Request,
    admin: Admin,
    organisation_id: str,
    client_id: str,
    found: str | Trouble,
    values: Fields | None = None,
) -> Response:
    """Back to the client's page with what was done, or what kept it from being done."""
    if isinstance(found, Trouble):
        return await _client(request, admin, organisation_id, client_id, trouble=found, values=values)
    return RedirectResponse(f"{PLACE}/{organisation_id}/clients/{client_id}?done={found}", 303)


async def _client(
    request: Request,
    admin: Admin,
    organisation_id: str,
    client_id: str,
    *,
    done: Message | None = None,
    trouble: Trouble | None = None,
    values: Fields | None = None,
) -> HTMLResponse:
    client = await admin.client(client_id, organisation_id)
    context = {
        "client": views.client(client, await admin.met(client_id)),
        "organisation": await admin.organisation(organisation_id),
        "values": values or Fields(),
        "done": done,
    }
    return form(request, "client.html", trouble, **context)
