"""`polku organisation xroad CODE MEMBER`: which subsystems come in through the X-Road security server."""

from typing import Annotated, Any

import typer

from polku_referral.admin.admin import Admin
from polku_referral.audit import Look
from polku_referral.cli.common import Json, administer, failed, one_of, owner, say, say_all
from polku_referral.model.directory import SCOPES
from polku_referral.model.xroad import member_of, message_of
from polku_referral.xroad.members import Member, Members
from polku_runtime.settings import Settings

DEFAULT = ("referrals:write", "referrals:read")


def register(
    code: Annotated[str, typer.Argument(help="The organisation's code.")],
    name: Annotated[
        str | None, typer.Argument(metavar="MEMBER", help="FI-TEST/MUN/1234567-8/Subsystem; none lists them.")
    ] = None,
    *,
    scope: Annotated[list[str] | None, typer.Option(help="Once per scope: " + ", ".join(DEFAULT))] = None,
    test: Annotated[bool, typer.Option("--test", help="It tries out its integration with artificial people.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Let it in no more, from the next request on.")] = False,
    as_json: Json = False,
) -> None:
    """Let an X-Road subsystem in as this organisation, change what for, or shut it out."""
    scopes = tuple(scope or DEFAULT)
    for one in scopes:
        one_of("scope", one, SCOPES)
    member = member_of(name) if name else None
    if name and (member is None or message_of({"x-road-id": member}).id != member):
        raise failed("a member is instance/class/code/subsystem, each part of letters, digits and '()+,-.=?")

    async def listed(admin: Admin, _: Settings) -> list[dict[str, Any]]:
        members = Members(admin.directory.database, admin.directory.effects)
        return [_shown(one) for one in await members.of((await owner(admin, code)).id)]

    async def work(admin: Admin, _: Settings) -> dict[str, Any]:
        assert member is not None
        members, whose = Members(admin.directory.database, admin.directory.effects), await owner(admin, code)
        await members.create_indexes()
        known = await members.get(member)
        if known is not None and known.organisation_id != whose.id:
            raise failed("this member is registered for another organisation")
        if remove and known is None:
            raise failed("this member is not registered")
        action = "x-road-member-removed" if remove else "x-road-member-registered"
        await admin.audit.write(None, [Look(None, action, about=whose.id, detail=member)])
        if remove:
            await members.shut_out(member)
            return {"member": member, "active": False}
        return _shown(await members.register(member, whose.id, scopes, test=test))

    if member is None:
        say_all(administer(listed), as_json)
    else:
        say(administer(work), as_json)


def _shown(member: Member) -> dict[str, Any]:
    return {
        "member": member.name,
        "client_id": member.client_id,
        "scope": " ".join(member.scopes),
        "test": member.test,
        "active": member.active,
    }
