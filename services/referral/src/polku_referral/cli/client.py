"""`polku client …`"""

from pathlib import Path
from typing import Annotated, Any

import typer

from polku_referral.admin.admin import Admin
from polku_referral.admin.views import client as shown
from polku_referral.admin.wire import ClientIn
from polku_referral.cli.common import Json, administer, failed, fitting, one_of, owner, say, say_all
from polku_referral.door.client_keys import FITTING, Private, public_key
from polku_referral.door.oauth import TOKEN
from polku_referral.model.directory import SCOPES
from polku_runtime.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Machines of organisations.")
Organisation = Annotated[str, typer.Option(help="The organisation's code.")]
Fitting = FITTING[0].upper() + FITTING[1:]
ClientId = Annotated[str, typer.Argument(help="The client's id, as `list` prints it.")]
KeyFile = Annotated[Path, typer.Argument(help=f"{Fitting}.")]


@app.command("add")
def add(
    *,
    organisation: Organisation,
    scope: Annotated[list[str], typer.Option(help="Once per scope: " + ", ".join(SCOPES))],
    name: Annotated[str, typer.Option(help="What people call the machine.")] = "",
    key_file: Annotated[
        Path | None, typer.Option("--public-key", help=f"{Fitting}; without it a key pair is made.")
    ] = None,
    jwks_url: Annotated[str | None, typer.Option(help="Where the machine publishes its keys instead.")] = None,
    test: Annotated[bool, typer.Option("--test", help="It tries out its integration with artificial people.")] = False,
    as_json: Json = False,
) -> None:
    """Register a machine client. A private key made here is printed once and kept nowhere."""
    for one in scope:
        one_of("scope", one, SCOPES)
    key = None if key_file is None else _read(key_file)
    said = fitting(ClientIn, {"name": name, "scopes": scope, "jwks_uri": jwks_url, "test": test})

    async def work(admin: Admin, settings: Settings) -> dict[str, Any]:
        made, private = await admin.add_client(None, (await owner(admin, organisation)).id, said, key)
        return {
            "client_id": made.id,
            "token_endpoint": settings.base_url + TOKEN,
            "audience": settings.base_url,
            "scope": " ".join(made.scopes),
        } | ({"private_key": private} if private else {})

    say(administer(work, fetches=jwks_url is not None), as_json)


@app.command("list")
def list_all(*, organisation: Organisation, as_json: Json = False) -> None:
    """An organisation's clients, with last use and refusals."""

    async def work(admin: Admin, _: Settings) -> list[dict[str, Any]]:
        found = await admin.clients_of((await owner(admin, organisation)).id)
        return [shown(*one).model_dump(mode="json", exclude={"keys"}) for one in found]

    say_all(administer(work), as_json)


@app.command("show")
def show(client_id: ClientId, *, as_json: Json = False) -> None:
    """One client with the fingerprints of its keys (RFC 7638 thumbprint, SHA-256 of the SubjectPublicKeyInfo)."""
    say(administer(lambda admin, _: _shown(admin, client_id)), as_json)


@app.command("add-key")
def add_key(client_id: ClientId, key_file: KeyFile, *, as_json: Json = False) -> None:
    """Register one more public key of a client; the old one goes on working until it is removed."""
    key = _read(key_file)

    async def work(admin: Admin, _: Settings) -> dict[str, Any]:
        await _known(admin, client_id)
        after = await admin.add_key(None, client_id, None, key)
        return {"client_id": client_id, "key_ids": [key["kid"] for key in after.keys]}

    say(administer(work), as_json)


# A thumbprint may begin with a dash (RFC 4648 section 5): what is no option of ours is the argument.
@app.command("remove-key", context_settings={"ignore_unknown_options": True})
def remove_key(
    client_id: ClientId,
    key_id: Annotated[str, typer.Argument(help="Key id or thumbprint, as `show` prints them.")],
    *,
    leaked: Annotated[bool, typer.Option("--leaked", help="Void the tokens that were issued until now, too.")] = False,
    as_json: Json = False,
) -> None:
    """Take a public key back. The last one stays: a client without keys could never come in again."""

    async def work(admin: Admin, _: Settings) -> dict[str, Any]:
        await _known(admin, client_id)
        await admin.remove_key(None, client_id, None, key_id, leaked=leaked)
        return {"client_id": client_id, "removed": key_id}

    say(administer(work), as_json)


@app.command("revoke")
def revoke(client_id: ClientId, *, as_json: Json = False) -> None:
    """Let the machine in no more; the tokens that it has are void in every service within five seconds."""

    async def work(admin: Admin, _: Settings) -> dict[str, Any]:
        await _known(admin, client_id)
        await admin.revoke(None, client_id, None)
        return {"client_id": client_id, "active": False}

    say(administer(work), as_json)


@app.command("restore")
def restore(client_id: ClientId, *, as_json: Json = False) -> None:
    """Let a revoked machine get tokens again."""

    async def work(admin: Admin, _: Settings) -> dict[str, Any]:
        await _known(admin, client_id)
        await admin.restore(None, client_id, None)
        return {"client_id": client_id, "active": True}

    say(administer(work), as_json)


async def _shown(admin: Admin, client_id: str) -> dict[str, Any]:
    await _known(admin, client_id)
    return shown(await admin.client(client_id), await admin.met(client_id)).model_dump(mode="json")


async def _known(admin: Admin, client_id: str) -> None:
    if await admin.directory.client(client_id) is None:
        raise failed(f"there is no client {client_id}")


def _read(path: Path) -> str:
    try:
        text = path.read_text("utf-8")
        public_key(text)
    except OSError as error:
        raise failed(f"{path} cannot be read: {error.strerror}") from None
    except Private:
        raise failed(
            f"{path} holds a private key, which stays where it is; give the public one (openssl pkey -in … -pubout)"
        ) from None
    except ValueError:  # Unfit, or not even text
        raise failed(f"{path} holds no public key that can be used: give {FITTING}") from None
    return text
