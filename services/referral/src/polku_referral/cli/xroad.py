"""`polku organisation xroad CODE MEMBER`: which subsystems come in through the X-Road security server."""

from typing import Annotated, Any

import typer

from polku_referral.admin import views
from polku_referral.admin.admin import Admin
from polku_referral.admin.members import MemberAdmin, checked
from polku_referral.admin.wire import MEMBER_SCOPES
from polku_referral.cli.common import Json, administer, failed, one_of, owner, say, say_all
from polku_referral.model.directory import Organisation
from polku_referral.xroad.members import Member
from polku_runtime.settings import Settings


def register(
    code: Annotated[str, typer.Argument(help="The organisation's code.")],
    name: Annotated[
        str | None, typer.Argument(metavar="MEMBER", help="FI-TEST/MUN/1234567-8/Subsystem; none lists them.")
    ] = None,
    *,
    scope: Annotated[list[str] | None, typer.Option(help="Once per scope: " + ", ".join(MEMBER_SCOPES))] = None,
    test: Annotated[bool, typer.Option("--test", help="It tries out its integration with artificial people.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Let it in no more, from the next request on.")] = False,
    as_json: Json = False,
) -> None:
    """Let an X-Road subsystem in as this organisation, change what for, or shut it out."""
    scopes = tuple(scope or MEMBER_SCOPES)
    for one in scopes:
        one_of("scope", one, MEMBER_SCOPES)

    async def listed(admin: Admin, _: Settings) -> list[dict[str, Any]]:
        whose = await owner(admin, code)
        return [_shown(one, whose) for one in await MemberAdmin(admin).members.of(whose.id)]

    async def work(admin: Admin, _: Settings) -> dict[str, Any]:
        member, at, whose = checked(name or ""), MemberAdmin(admin), await owner(admin, code)
        await at.members.create_indexes()
        known = await at.members.get(member)
        if known is None or known.organisation_id != whose.id:
            if remove:
                raise failed("this member is not registered for this organisation")
            said = {"name": member, "scopes": scopes, "test": test}
            return _shown(await at.add(None, whose.id, said), whose)
        if remove:
            return _shown(await at.revoke(None, known.client_id, None), whose)
        return _shown(await at.change(None, known.client_id, None, scopes=scopes, test=test), whose)

    if name is None:
        say_all(administer(listed), as_json)
    else:
        say(administer(work), as_json)


def _shown(member: Member, whose: Organisation) -> dict[str, Any]:
    said = views.member(member, whose).model_dump(mode="json", exclude={"organisation_id", "version"})
    return {"member": said.pop("name"), "client_id": said.pop("id"), "scope": " ".join(said.pop("scopes")), **said}
