"""X-Road members of an organisation over HTTP, for managers and operators."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from polku_referral.admin import views, wire
from polku_referral.admin.api import BASE, AtAdmin, Command, Keeper, Seen, refusals
from polku_referral.admin.members import MemberAdmin
from polku_referral.api.commands import COMMAND
from polku_referral.xroad.members import Member

router = APIRouter(prefix=f"{BASE}/{{organisation_id}}/x-road-members", tags=["organisations"])


async def at_members(admin: AtAdmin) -> MemberAdmin:
    return MemberAdmin(admin)


AtMembers = Annotated[MemberAdmin, Depends(at_members)]


async def _at_member(
    response: Response, who: Keeper, at: AtMembers, seen: Seen, organisation_id: str, member_id: str
) -> Command:
    """Raises Problem 404."""
    await at.one(member_id, organisation_id)
    return Command(response, who, at.admin, member_id, seen)


OfMember = Annotated[Command, Depends(_at_member)]


@router.get("")
async def list_members(who: Keeper, at: AtMembers, organisation_id: str) -> wire.MemberList:
    """Its X-Road members by name, with last use and refused tries; and subsystems that nobody has registered."""
    del who
    owner = await at.admin.organisation(organisation_id)
    return wire.MemberList(
        items=[views.member(one, owner) for one in await at.members.of(owner.id)],
        unknown=[wire.StrangerOut(**one._asdict()) for one in await at.members.strangers()],
    )


@router.post("", status_code=201)
async def add_member(
    response: Response, who: Keeper, at: AtMembers, organisation_id: str, body: wire.MemberIn
) -> wire.MemberOut:
    """Lets a subsystem in as this organisation, from its next request on."""
    with refusals(at.admin):
        made = await at.add(who, organisation_id, body.model_dump())
    response.headers["location"] = f"{BASE}/{organisation_id}/x-road-members/{made.client_id}"
    return await _shown(response, at, made)


@router.get("/{member_id}")
async def one_member(
    response: Response, who: Keeper, at: AtMembers, organisation_id: str, member_id: str
) -> wire.MemberOut:
    """One member. `ETag` holds the version that changes take in `If-Match`."""
    del who
    return await _shown(response, at, await at.one(member_id, organisation_id))


@router.post("/{member_id}/revoke", responses=COMMAND)
async def revoke_member(asked: OfMember, at: AtMembers) -> wire.MemberOut:
    """The member comes in no more, from its next request on."""
    return await _shown(asked.response, at, await asked.carried_out(at.revoke))


@router.post("/{member_id}/restore", responses=COMMAND)
async def restore_member(asked: OfMember, at: AtMembers) -> wire.MemberOut:
    """The member may come in again."""
    return await _shown(asked.response, at, await asked.carried_out(at.restore))


async def _shown(response: Response, at: MemberAdmin, shown: Member) -> wire.MemberOut:
    response.headers["etag"] = f'"{shown.version}"'
    return views.member(shown, await at.admin.organisation(shown.organisation_id))
