"""`polku organisation | client | staff …`: who may come in."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry
from pymongo.errors import DuplicateKeyError

from polku_referral.accounts import Accounts
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

app = typer.Typer()
organisation_app = typer.Typer(no_args_is_help=True, help="Organisations that refer, coach, fund or employ.")
client_app = typer.Typer(no_args_is_help=True, help="Machines of organisations.")
staff_app = typer.Typer(no_args_is_help=True, help="People who sign in.")
app.add_typer(organisation_app, name="organisation")
app.add_typer(client_app, name="client")
app.add_typer(staff_app, name="staff")

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
T = TypeVar("T")


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
    public_key: Annotated[Path | None, typer.Option(help="JWK or PEM; without it a key pair is made.")] = None,
    as_json: Json = False,
) -> None:
    """Register a machine client. A private key made here is printed once and kept nowhere."""
    for one in scope:
        _one_of("scope", one, SCOPES)
    private, public = _keys(public_key)

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

    async def work(directory: Directory, settings: Settings) -> dict[str, str]:
        owner = await directory.organisation(organisation) if organisation else None
        if organisation and owner is None:
            raise _failed(f"there is no organisation {organisation}")
        rights: dict[str, Any] = {
            "roles": tuple(role),
            "programmes": tuple(programme or ()),
            "organisation_id": owner.id if owner else None,
            "active": True,
        }
        member = await _member(directory, login.strip().lower(), name, rights)
        token = await Accounts(directory, directory.effects).make_link(member.id)
        return {"staff_id": member.id, "login": member.login, "link": f"{settings.base_url}/referral/link/{token}"}

    _say(run(work), as_json)


async def _member(directory: Directory, login: str, name: str, rights: dict[str, Any]) -> Staff:
    known = await directory.by_login(login)
    if known is not None:
        changed = known.model_copy(update={**rights, "name": name or known.name})
        return await directory.staff.save(known, *announce_staff(changed))
    now = directory.effects.now()
    fresh = Staff(id=directory.effects.new_id(), login=login, name=name or login, sessions_valid_from=now, **rights)
    return await directory.staff.add(*announce_staff(fresh))


def _keys(public_key: Path | None) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The private key as a JWK (None when the client has its own) and the public one."""
    if public_key is None:
        pair = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}, auto_kid=True)
        return dict(pair.as_dict(private=True)), dict(pair.as_dict(private=False))
    text = public_key.read_text("utf-8")
    try:
        key = JWKRegistry.import_key(json.loads(text)) if text.lstrip().startswith("{") else ECKey.import_key(text)
    except (JoseError, ValueError, KeyError):
        raise _failed(f"{public_key} holds no public key that can be used (JWK, or PEM of P-256)") from None
    return None, dict(key.as_dict(private=False))


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
            typer.echo(f"{name}: {json.dumps(value) if isinstance(value, dict) else value}")
