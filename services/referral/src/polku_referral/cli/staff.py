"""`polku staff …`"""

from typing import Annotated, Any

import typer

from polku_referral.audit import Audit, Look
from polku_referral.cli.common import Json, failed, one_of, run, say, say_all
from polku_referral.directory import Directory
from polku_referral.door.accounts import Accounts
from polku_referral.model.directory import ROLES, Organisation, Staff, announce_staff
from polku_runtime.settings import Settings
from polku_web.codes import read_codes

app = typer.Typer(no_args_is_help=True, help="People who sign in.")
WITH_PROGRAMME = frozenset({"coordinator", "coach", "manager"})
WITH_ORGANISATION = frozenset({"referrer", "employer"})
MAX_LISTED = 10_000
LONGEST = 200
"""Characters of a login and of a name."""


@app.command("invite")
def invite(
    login: Annotated[str, typer.Argument(help="What the person signs in with.")],
    *,
    role: Annotated[list[str], typer.Option(help="Once per role: " + ", ".join(ROLES))],
    name: Annotated[str, typer.Option(help="How colleagues see the person.")] = "",
    programme: Annotated[list[str] | None, typer.Option(help="Once per programme.")] = None,
    organisation: Annotated[str | None, typer.Option(help="The organisation's code.")] = None,
    as_json: Json = False,
) -> None:
    """Add a person, or change the rights of one, and print a one-time link to sign in with."""
    for one in role:
        one_of("role", one, ROLES)
    if not 0 < len(login.strip()) <= LONGEST:
        raise failed(f"a login has 1 to {LONGEST} characters")
    if len(name) > LONGEST:
        raise failed(f"a name has {LONGEST} characters at most")
    for one in programme or ():
        one_of("programme", one, tuple(read_codes("polku_referral").lists["programme"]))

    async def work(directory: Directory, settings: Settings) -> dict[str, str]:
        owner = await directory.organisation(organisation) if organisation else None
        if organisation and owner is None:
            raise failed(f"there is no organisation {organisation}")
        member = await _member(directory, login.strip().lower(), name, role, programme, owner)
        token = await Accounts(directory, directory.effects).make_link(member.id)
        return {"staff_id": member.id, "login": member.login, "link": f"{settings.base_url}/referral/link/{token}"}

    say(run(work), as_json)


@app.command("list")
def list_all(*, as_json: Json = False) -> None:
    """Everybody who may sign in, or could once, by login."""

    async def work(directory: Directory, _: Settings) -> list[dict[str, Any]]:
        found = await directory.staff.find({}, sort=[("login", 1)], limit=MAX_LISTED)
        return [
            {"login": one.login, "roles": list(one.roles), "programmes": list(one.programmes), "active": one.active}
            for one in found
        ]

    say_all(run(work), as_json)


@app.command("deactivate")
def deactivate(login: str, *, as_json: Json = False) -> None:
    """Let a person in no more; open sessions end within seconds. `invite` lets in again."""

    async def work(directory: Directory, _: Settings) -> dict[str, Any]:
        known = await directory.by_login(login.strip().lower())
        if known is None:
            raise failed(f"there is nobody who signs in as {login}")
        trail = Audit(directory.database, directory.effects)
        await trail.write(None, [Look(None, "staff-deactivated", about=known.id)])
        gone = known.model_copy(update={"active": False, "sessions_valid_from": directory.effects.now()})
        after = await directory.staff.save(known, *announce_staff(gone))
        return {"staff_id": after.id, "active": after.active}

    say(run(work), as_json)


async def _member(
    directory: Directory,
    login: str,
    name: str,
    roles: list[str],
    programmes: list[str] | None,
    owner: Organisation | None,
) -> Staff:
    """The person with these roles; a known one keeps the programmes and the organisation that are not given."""
    known = await directory.by_login(login)
    before = known or Staff(
        id=directory.effects.new_id(), login=login, name=login, roles=(), sessions_valid_from=directory.effects.now()
    )
    member = before.model_copy(
        update={
            "name": name or before.name,
            "roles": tuple(roles),
            "programmes": tuple(programmes) if programmes else before.programmes,
            "organisation_id": owner.id if owner else before.organisation_id,
            "active": True,
        }
    )
    # Without these the person would sign in and see nothing, and nobody would know why.
    for role in roles:
        if role in WITH_PROGRAMME and not member.programmes:
            raise failed(f"a {role} needs --programme")
        if role in WITH_ORGANISATION and member.organisation_id is None:
            raise failed(f"a {role} needs --organisation")
    trail = Audit(directory.database, directory.effects)
    await trail.write(None, [Look(None, "staff-changed" if known else "staff-added", about=member.id)])
    if known is None:
        return await directory.staff.add(*announce_staff(member))
    return await directory.staff.save(known, *announce_staff(member))
