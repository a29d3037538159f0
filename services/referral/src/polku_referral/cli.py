"""`polku organisation | client | staff …`: who may come in; `polku audit verify`: who looked at whom holds."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pymongo.errors import DuplicateKeyError

from polku_referral.accounts import Accounts
from polku_referral.audit import Audit
from polku_referral.client_keys import FITTING, new_pair, public_key
from polku_referral.directory import Directory
from polku_referral.model.directory import (
    KINDS,
    ROLES,
    SCOPES,
    Client,
    Organisation,
    Staff,
    announce_organisation,
    announce_staff,
)
from polku_referral.oauth import TOKEN
from polku_runtime import mongo
from polku_runtime.effects import system_effects
from polku_runtime.settings import Settings, load
from polku_web.codes import read_codes

app = typer.Typer()
organisation_app = typer.Typer(no_args_is_help=True, help="Organisations that refer, coach, fund or employ.")
client_app = typer.Typer(no_args_is_help=True, help="Machines of organisations.")
staff_app = typer.Typer(no_args_is_help=True, help="People who sign in.")
audit_app = typer.Typer(no_args_is_help=True, help="The trail of looks at people.")
app.add_typer(organisation_app, name="organisation")
app.add_typer(client_app, name="client")
app.add_typer(staff_app, name="staff")
app.add_typer(audit_app, name="audit")

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
T = TypeVar("T")
CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)
WITH_PROGRAMME = frozenset({"coordinator", "coach", "manager"})
WITH_ORGANISATION = frozenset({"referrer", "employer"})


@organisation_app.command("add")
def add_organisation(
    code: Annotated[str, typer.Argument(help="Short code, lower case.")],
    name: str,
    *,
    kind: Annotated[str, typer.Option(help=", ".join(KINDS))] = "other",
    as_json: Json = False,
) -> None:
    """Register an organisation."""
    _one_of("kind", kind, KINDS)
    if CODE.fullmatch(code) is None:
        raise _failed(f"{code} is no code: lower case letters, digits and hyphens, 40 at most")

    async def work(directory: Directory, _: Settings) -> Organisation:
        fresh = Organisation(id=directory.effects.new_id(), code=code, name=name, kind=kind)
        return await directory.organisations.add(*announce_organisation(fresh))

    try:
        made = run(work)
    except DuplicateKeyError:
        raise _failed(f"there is an organisation {code} already") from None
    _say({"organisation_id": made.id, "code": made.code}, as_json)


@client_app.command("add")
def add_client(
    *,
    organisation: Annotated[str, typer.Option(help="The organisation's code.")],
    scope: Annotated[list[str], typer.Option(help="Once per scope: " + ", ".join(SCOPES))],
    key_file: Annotated[
        Path | None, typer.Option("--public-key", help=f"{FITTING}; without it a key pair is made.".capitalize())
    ] = None,
    as_json: Json = False,
) -> None:
    """Register a machine client. A private key made here is printed once and kept nowhere."""
    for one in scope:
        _one_of("scope", one, SCOPES)
    private, public = _keys(key_file)

    async def work(directory: Directory, settings: Settings) -> dict[str, Any]:
        owner = await directory.organisation(organisation)
        if owner is None:
            raise _failed(f"there is no organisation {organisation}")
        client = Client(id=directory.effects.new_id(), organisation_id=owner.id, scopes=tuple(scope), keys=(public,))
        await directory.add_client(client)
        return {
            "client_id": client.id,
            "token_endpoint": settings.base_url + TOKEN,
            "audience": settings.base_url,
            "scope": " ".join(scope),
        }

    _say(run(work) | ({"private_key": private} if private else {}), as_json)


@client_app.command("add-key")
def add_key(client_id: str, key_file: Annotated[Path, typer.Argument(help=FITTING)], *, as_json: Json = False) -> None:
    """Register one more public key of a client; the old one goes on working until it is removed."""
    _, public = _keys(key_file)

    async def work(directory: Directory, _: Settings) -> dict[str, Any]:
        if not await directory.add_key(client_id, public):
            raise _failed(f"there is no client {client_id}")
        client = await directory.client(client_id)
        return {"client_id": client_id, "key_ids": [key["kid"] for key in client.keys] if client else []}

    _say(run(work), as_json)


@client_app.command("remove-key")
def remove_key(client_id: str, key_id: str, *, as_json: Json = False) -> None:
    """Take a public key back. The last one stays: a client without keys could never come in again."""

    async def work(directory: Directory, _: Settings) -> dict[str, Any]:
        if not await directory.remove_key(client_id, key_id):
            raise _failed(f"the client has no key {key_id}, or no other one")
        return {"client_id": client_id, "removed": key_id}

    _say(run(work), as_json)


@audit_app.command("verify")
def verify_audit(*, as_json: Json = False) -> None:
    """Walk the whole audit trail; exit code 1 when a row was changed, removed or moved."""

    async def work(directory: Directory, _: Settings) -> list[str]:
        return await Audit(directory.database, directory.effects).verify()

    wrong = run(work)
    _say({"holds": not wrong, "wrong": wrong}, as_json)
    if wrong:
        raise typer.Exit(1)


@staff_app.command("invite")
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
        _one_of("role", one, ROLES)
    for one in programme or ():
        _one_of("programme", one, tuple(read_codes("polku_referral").lists["programme"]))

    async def work(directory: Directory, settings: Settings) -> dict[str, str]:
        owner = await directory.organisation(organisation) if organisation else None
        if organisation and owner is None:
            raise _failed(f"there is no organisation {organisation}")
        member = await _member(directory, login.strip().lower(), name, role, programme, owner)
        token = await Accounts(directory, directory.effects).make_link(member.id)
        return {"staff_id": member.id, "login": member.login, "link": f"{settings.base_url}/referral/link/{token}"}

    _say(run(work), as_json)


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
            raise _failed(f"a {role} needs --programme")
        if role in WITH_ORGANISATION and member.organisation_id is None:
            raise _failed(f"a {role} needs --organisation")
    if known is None:
        return await directory.staff.add(*announce_staff(member))
    return await directory.staff.save(known, *announce_staff(member))


def _keys(path: Path | None) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The private key as a JWK (None when the client has its own) and the public one."""
    if path is None:
        return new_pair()
    try:
        return None, public_key(path.read_text("utf-8"))
    except OSError as error:
        raise _failed(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:  # Unfit, or not even text
        raise _failed(f"{path} holds no public key that can be used: give {FITTING}") from None


def run(work: Callable[[Directory, Settings], Awaitable[T]]) -> T:
    """Runs `work` on the referral database of the settings."""

    async def inside() -> T:
        settings = load(Settings)
        client = mongo.connect(settings)
        try:
            directory = Directory(mongo.database(client, settings, "referral"), system_effects())
            await directory.create_indexes()
            return await work(directory, settings)
        finally:
            await client.close()

    return asyncio.run(inside())


def _one_of(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise _failed(f"no {what} {given}; there are {', '.join(known)}")


def _failed(message: str) -> typer.Exit:
    typer.echo(f"polku: {message}", err=True)
    return typer.Exit(1)


def _say(said: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(said))
    else:
        for name, value in said.items():
            typer.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")
