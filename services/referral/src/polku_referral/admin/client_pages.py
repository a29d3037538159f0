"""HTML for managers and operators: one machine client, its keys, and shutting it out."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from polku_referral.admin import texts as words
from polku_referral.admin import views, wire
from polku_referral.admin.admin import Admin
from polku_referral.admin.pages import PLACE, AtAdmin, Keeper, Sent, Trouble, attempt, form
from polku_referral.door.client_keys import Unfit, public_key
from polku_referral.door.oauth import TOKEN
from polku_referral.door.remote_keys import RemoteKeys
from polku_referral.door.tokens import Tokens
from polku_runtime.access import Principal
from polku_web.forms import Fields, chosen, said, typed
from polku_web.i18n import Message
from polku_web.problems import Problem

router = APIRouter(prefix=f"{PLACE}/{{organisation_id}}/clients", include_in_schema=False)
FORM = "client-form.html"


async def _sent(request: Request, who: Keeper, admin: AtAdmin, organisation_id: str, client_id: str) -> Sent:
    """Raises Problem 404."""
    await admin.client(client_id, organisation_id)
    values = await typed(request)

    async def again(trouble: Trouble) -> Response:
        return await _client(request, admin, organisation_id, client_id, trouble=trouble, values=harmless(values))

    return Sent(who, admin, client_id, values, f"{PLACE}/{organisation_id}/clients/{client_id}", again)


OfClient = Annotated[Sent, Depends(_sent)]


def harmless(values: Fields) -> Fields:
    """What was typed, to be shown again; a key only if it is a public one that fits, since any other may be secret."""
    try:
        public_key(values["public_key"])
    except Unfit:
        return Fields({**values, "public_key": ""})
    return values


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
        return form(request, FORM, found, values=harmless(values), ticked=ticked, known=owner)
    if shown["client"].jwks_uri:
        # Asked for now, so that the keys are there when the system comes for its first token.
        await _remote_keys(request).look(shown["client"].jwks_uri, wait_s=0)
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
async def add_key(sent: OfClient) -> Response:
    async def fit(who: Principal, client_id: str, seen: int | None) -> None:
        wish = wire.KeyIn.model_validate(said(sent.values, "version"))
        await sent.admin.add_key(who, client_id, seen, wish.public_key)

    return await sent.answered("key-added", fit)


@router.get("/{client_id}/keys/{thumbprint}/remove")
async def really_remove_key(
    request: Request, who: Keeper, admin: AtAdmin, organisation_id: str, client_id: str, thumbprint: str
) -> HTMLResponse:
    """Asks once more, and whether the key has leaked."""
    del who
    shown = views.client(await admin.client(client_id, organisation_id), await admin.met(client_id))
    key = next((key for key in shown.keys if key.thumbprint == thumbprint), None)
    if key is None:
        raise Problem(404, "not-found")
    return form(request, "key-remove.html", client=shown, key=key, organisation_id=organisation_id)


@router.post("/{client_id}/keys/{thumbprint}/remove")
async def remove_key(sent: OfClient, thumbprint: str) -> Response:
    leaked = bool(sent.values["leaked"])
    return await sent.answered("key-removed", sent.admin.remove_key, thumbprint, leaked=leaked)


@router.get("/{client_id}/revoke")
async def really_revoke(
    request: Request, who: Keeper, admin: AtAdmin, organisation_id: str, client_id: str
) -> HTMLResponse:
    """Asks once more: the system stops at once."""
    del who
    client, owner = await admin.client(client_id, organisation_id), await admin.organisation(organisation_id)
    return form(request, "client-revoke.html", client=client, organisation=owner)


@router.post("/{client_id}/revoke")
async def revoke(sent: OfClient) -> Response:
    return await sent.answered("revoked", sent.admin.revoke)


@router.post("/{client_id}/restore")
async def restore(sent: OfClient) -> Response:
    return await sent.answered("restored", sent.admin.restore)


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
    client, met = await admin.client(client_id, organisation_id), await admin.met(client_id)
    published = await _remote_keys(request).look(client.jwks_uri) if client.jwks_uri else None
    context = {
        "client": views.client(client, met),
        "published": published,
        "published_keys": [views.key(key, met) for key in published.keys] if published else [],
        "organisation": await admin.organisation(organisation_id),
        "values": values or Fields(),
        "done": done,
    }
    return form(request, "client.html", trouble, **context)


def _remote_keys(request: Request) -> RemoteKeys:
    tokens: Tokens = request.app.state.tokens
    return tokens.remote_keys
