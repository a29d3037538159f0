"""`polku keys …`: the door's own signing keys, of access tokens and receipts."""

import math
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer

from polku_events.refusals import Refused
from polku_referral.audit import Audit, Look
from polku_referral.cli.common import Json, failed, run, say, say_all, told
from polku_referral.directory import Directory
from polku_referral.keys import RELOAD_S, SigningKey, SigningKeys
from polku_referral.master import read_master_key
from polku_referral.settings import ReferralSettings
from polku_runtime.access.tokens import KEYS_FRESH_S
from polku_runtime.settings import Settings, load

app = typer.Typer(no_args_is_help=True, help="Signing keys of access tokens and receipts.")
T = TypeVar("T")


@app.command("rotate")
def rotate(
    *,
    at_once: Annotated[bool, typer.Option("--at-once", help="It signs at once: the old key has leaked.")] = False,
    as_json: Json = False,
) -> None:
    """Make and publish a new key. It signs when everybody has had the time to fetch it; old ones stay published."""

    async def work(keys: SigningKeys, audit: Audit) -> dict[str, Any]:
        made = await keys.rotate(at_once=at_once)
        await audit.write(None, [Look(None, "signing-key-added", detail=made.kid)])
        return _shown(made)

    say(_with_keys(work), as_json)


@app.command("list")
def list_all(*, as_json: Json = False) -> None:
    """All keys, newest first."""

    async def work(keys: SigningKeys, _: Audit) -> list[dict[str, Any]]:
        signer = (await keys.signer()).kid
        return [{**_shown(one), "signs": one.kid == signer} for one in await keys.all()]

    say_all(_with_keys(work), as_json)


@app.command("retire")
def retire(kid: Annotated[str, typer.Argument(help="Its id, as `list` prints it.")], *, as_json: Json = False) -> None:
    """Publish a key no more: nothing that it signed verifies any longer, receipts included. For one that has leaked.

    Tokens that it signed are refused everywhere within a minute.
    """

    async def work(keys: SigningKeys, audit: Audit) -> dict[str, Any]:
        gone = await keys.retire(kid)
        await audit.write(None, [Look(None, "signing-key-retired", detail=kid)])
        # A service keeps the published keys for a moment, and the door what it read of them.
        return {**_shown(gone), "out_everywhere_within_s": math.ceil(KEYS_FRESH_S + RELOAD_S)}

    say(_with_keys(work), as_json)


def _with_keys(work: Callable[[SigningKeys, Audit], Awaitable[T]]) -> T:
    master = read_master_key(load(ReferralSettings).master_key_file)

    async def inside(directory: Directory, _: Settings) -> T:
        keys = SigningKeys(directory.database, master, directory.effects)
        return await work(keys, Audit(directory.database, directory.effects))

    try:
        return run(inside)
    except Refused as refused:
        raise failed(told(refused)) from None


def _shown(key: SigningKey) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in key._asdict().items()}
