"""Who may come in, over HTTP: organisations, their agreements and machine clients, for managers and operators."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Response
from starlette.requests import Request

from polku_events.refusals import Refused
from polku_referral.admin import views, wire
from polku_referral.admin.admin import Admin
from polku_referral.api.commands import COMMAND
from polku_referral.door.oauth import TOKEN
from polku_referral.model.directory import Client, Organisation
from polku_referral.texts import as_problem
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace
from polku_web.doors import expected_version, lost_race, staff
from polku_web.paging import Window, link, window
from polku_web.problems import Problem

BASE = "/referral/api/v1/organisations"
T = TypeVar("T")
UNKNOWN = ("unknown-key", "unknown-agreement")
router = APIRouter(prefix=BASE, tags=["organisations"])


def admin_of(request: Request) -> Admin:
    found: Admin = request.app.state.admin
    return found


Keeper = Annotated[Principal, Depends(staff("manager", "operator"))]
AtAdmin = Annotated[Admin, Depends(admin_of)]
Part = Annotated[Window, Depends(window)]
Seen = Annotated[int, Depends(expected_version)]


@dataclass(frozen=True)
class Command:
    """A change of one organisation, client or member. about: its id. seen: the version that whoever asks has seen."""

    response: Response
    who: Principal
    admin: Admin
    about: str
    seen: int

    async def on_organisation(
        self, change: Callable[..., Awaitable[Organisation]], *said: object, **more: object
    ) -> wire.OrganisationOut:
        return _organisation(self.response, self.admin, await self.carried_out(change, *said, **more))

    async def on_client(
        self, change: Callable[..., Awaitable[Client]], *said: object, **more: object
    ) -> wire.ClientOut:
        return await _client(self.response, self.admin, await self.carried_out(change, *said, **more))

    async def carried_out(self, change: Callable[..., Awaitable[T]], *said: object, **more: object) -> T:
        """Raises Problem for a rule's or a race's no."""
        with refusals(self.admin):
            return await change(self.who, self.about, self.seen, *said, **more)


async def _at_organisation(
    response: Response, who: Keeper, admin: AtAdmin, seen: Seen, organisation_id: str
) -> Command:
    return Command(response, who, admin, organisation_id, seen)


async def _at_client(
    response: Response, who: Keeper, admin: AtAdmin, seen: Seen, organisation_id: str, client_id: str
) -> Command:
    """Raises Problem 404."""
    await admin.client(client_id, organisation_id)
    return Command(response, who, admin, client_id, seen)


OfOrganisation = Annotated[Command, Depends(_at_organisation)]
OfClient = Annotated[Command, Depends(_at_client)]


@router.get("")
async def list_organisations(
    request: Request, response: Response, who: Keeper, admin: AtAdmin, part: Part
) -> wire.OrganisationList:
    """All organisations, by code."""
    del who
    found = await admin.listed(part)
    link(request, response, found.next)
    return wire.OrganisationList(items=[views.organisation(one, admin.today) for one in found.items], next=found.next)


@router.post("", status_code=201)
async def add_organisation(
    response: Response, who: Keeper, admin: AtAdmin, body: wire.OrganisationIn
) -> wire.OrganisationOut:
    """Registers an organisation. Without any agreement it is not restricted in what it sends."""
    with refusals(admin):
        made = await admin.add_organisation(who, body.model_dump())
    response.headers["location"] = f"{BASE}/{made.id}"
    return _organisation(response, admin, made)


@router.get("/{organisation_id}")
async def one_organisation(
    response: Response, who: Keeper, admin: AtAdmin, organisation_id: str
) -> wire.OrganisationOut:
    """One organisation with its agreements. `ETag` holds the version that changes take in `If-Match`."""
    del who
    return _organisation(response, admin, await admin.organisation(organisation_id))


@router.patch("/{organisation_id}", responses=COMMAND)
async def change_organisation(asked: OfOrganisation, body: wire.OrganisationChange) -> wire.OrganisationOut:
    """Changes what is given and leaves the rest."""
    return await asked.on_organisation(asked.admin.change_organisation, body.model_dump(exclude_unset=True))


@router.post("/{organisation_id}/deactivate", responses=COMMAND)
async def deactivate(asked: OfOrganisation) -> wire.OrganisationOut:
    """Its machines come in no more; tokens that they have are void in every service within seconds."""
    return await asked.on_organisation(asked.admin.open_organisation, active=False)


@router.post("/{organisation_id}/activate", responses=COMMAND)
async def activate(asked: OfOrganisation) -> wire.OrganisationOut:
    """Its machines come in again, but those that were revoked."""
    return await asked.on_organisation(asked.admin.open_organisation, active=True)


@router.post("/{organisation_id}/agreements", status_code=201, responses=COMMAND)
async def add_agreement(asked: OfOrganisation, body: wire.AgreementIn) -> wire.OrganisationOut:
    """Agrees on what it may send. From the first agreement on nothing else is taken in."""
    return await asked.on_organisation(asked.admin.add_agreement, body.model_dump())


@router.post("/{organisation_id}/agreements/{agreement_id}/end", responses=COMMAND)
async def end_agreement(asked: OfOrganisation, agreement_id: str, body: wire.AgreementEnd) -> wire.OrganisationOut:
    """Sets an agreement's last day; it stays in the list."""
    return await asked.on_organisation(asked.admin.end_agreement, agreement_id, body.ends_on)


@router.get("/{organisation_id}/clients")
async def list_clients(who: Keeper, admin: AtAdmin, organisation_id: str) -> wire.ClientList:
    """Its machine clients, oldest first, with last use and refused tries."""
    del who
    await admin.organisation(organisation_id)
    return wire.ClientList(items=[views.client(*one) for one in await admin.clients_of(organisation_id)])


@router.post("/{organisation_id}/clients", status_code=201)
async def add_client(
    request: Request, response: Response, who: Keeper, admin: AtAdmin, organisation_id: str, body: wire.ClientIn
) -> wire.NewClientOut:
    """Registers a machine client. A private key that is made here is in this answer and kept nowhere."""
    said = body.model_dump(exclude={"public_key"})
    with refusals(admin):
        made, private = await admin.add_client(who, organisation_id, said, body.public_key)
    if made.jwks_uri is not None:
        # Asked for now, so that the keys are there when the machine comes for its first token.
        await request.app.state.tokens.remote_keys.look(made.jwks_uri, wait_s=0)
    response.headers["location"] = f"{BASE}/{organisation_id}/clients/{made.id}"
    origin = request.app.state.settings.base_url
    shown = await _client(response, admin, made)
    return wire.NewClientOut(client=shown, token_endpoint=origin + TOKEN, audience=origin, private_key=private)


@router.get("/{organisation_id}/clients/{client_id}")
async def one_client(
    response: Response, who: Keeper, admin: AtAdmin, organisation_id: str, client_id: str
) -> wire.ClientOut:
    """One client with the fingerprints of its keys. `ETag` holds the version that changes take in `If-Match`."""
    del who
    return await _client(response, admin, await admin.client(client_id, organisation_id))


@router.post("/{organisation_id}/clients/{client_id}/keys", status_code=201, responses=COMMAND)
async def add_key(asked: OfClient, body: wire.KeyIn) -> wire.ClientOut:
    """One more public key; the old one goes on working until it is removed."""
    return await asked.on_client(asked.admin.add_key, body.public_key)


@router.delete("/{organisation_id}/clients/{client_id}/keys/{thumbprint}", responses=COMMAND)
async def remove_key(
    asked: OfClient,
    thumbprint: str,
    leaked: Annotated[bool, Query(description="Void the tokens that were issued until now, too")] = False,
) -> wire.ClientOut:
    """Takes a public key back. The last one stays."""
    return await asked.on_client(asked.admin.remove_key, thumbprint, leaked=leaked)


@router.post("/{organisation_id}/clients/{client_id}/revoke", responses=COMMAND)
async def revoke(asked: OfClient) -> wire.ClientOut:
    """The machine comes in no more; tokens that it has are void in every service within seconds."""
    return await asked.on_client(asked.admin.revoke)


@router.post("/{organisation_id}/clients/{client_id}/restore", responses=COMMAND)
async def restore(asked: OfClient) -> wire.ClientOut:
    """The machine may get tokens again."""
    return await asked.on_client(asked.admin.restore)


def _organisation(response: Response, admin: Admin, shown: Organisation) -> wire.OrganisationOut:
    response.headers["etag"] = f'"{shown.version}"'
    return views.organisation(shown, admin.today)


async def _client(response: Response, admin: Admin, shown: Client) -> wire.ClientOut:
    response.headers["etag"] = f'"{shown.version}"'
    return views.client(shown, await admin.met(shown.id))


@contextmanager
def refusals(admin: Admin) -> Iterator[None]:
    """Tells a rule's or a race's no as a problem, the latter with the present state."""
    try:
        yield
    except LostRace as lost:
        present: Any = None
        if isinstance(lost.present, Organisation):
            present = views.organisation(lost.present, admin.today).model_dump(mode="json")
        raise lost_race(present) from None
    except Refused as refused:
        if refused.code in UNKNOWN:
            raise Problem(404, "not-found") from None
        raise as_problem(refused) from None
