"""What the commands share: the database of the settings, and how they speak."""

import asyncio
import json
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from polku_events.refusals import Refused
from polku_referral.admin.admin import Admin
from polku_referral.admin.agreements import Agreements
from polku_referral.audit import Audit
from polku_referral.directory import Directory
from polku_referral.model.directory import Organisation
from polku_referral.settings import ReferralSettings
from polku_referral.texts import REFUSED, WRONG
from polku_referral.webhooks.addresses import Allowed, read_allowed
from polku_runtime import mongo
from polku_runtime.effects import system_effects
from polku_runtime.settings import Settings, load
from polku_web.codes import read_codes
from polku_web.forms import iso_day
from polku_web.problems import Problem

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
T = TypeVar("T")
GAP = "  "


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


def administer(work: Callable[[Admin, Settings], Awaitable[T]], *, fetches: bool = False) -> T:
    """Runs `work` with what changes who may come in; a rule's no is said in one line.

    fetches: an address is given that keys are fetched from, so the operator's allow-list is read.
    """
    allowed = read_allowed(load(ReferralSettings).webhook_allow) if fetches else Allowed(frozenset(), ())

    async def inside(directory: Directory, settings: Settings) -> T:
        audit = Audit(directory.database, directory.effects)
        agreements, codes = Agreements(directory, directory.effects), read_codes("polku_referral")
        return await work(Admin(directory, agreements, audit, codes, allowed, directory.effects), settings)

    try:
        return run(inside)
    except Refused as refused:
        raise failed(told(refused)) from None
    except Problem as problem:
        raise failed("there is no such thing" if problem.status == 404 else problem.code) from None


async def owner(admin: Admin, code: str) -> Organisation:
    """The organisation of this code."""
    found = await admin.directory.organisation(code)
    if found is None:
        raise failed(f"there is no organisation {code}")
    return found


def told(refused: Refused) -> str:
    """A refusal in one line of English."""
    if refused.wrong:
        return "; ".join(f"{field}: {WRONG[code].msgid}" for field, code in refused.wrong)
    return REFUSED[refused.code].msgid


def fitting(kind: type[BaseModel], said: Mapping[str, Any]) -> dict[str, Any]:
    """What was said, if it is within the limits that hold at the other doors too; fields that were not stay out."""
    try:
        return kind.model_validate(said).model_dump(exclude_unset=True)
    except ValidationError as error:
        wrong = (f"{one['loc'][0]}: {one['msg']}" for one in error.errors(include_input=False, include_url=False))
        raise failed("; ".join(wrong)) from None


def day(text: str) -> date:
    """`2026-03-05` or `5.3.2026`."""
    try:
        return date.fromisoformat(iso_day(text))
    except ValueError:
        raise failed(f"{text} is no day; write it as 2026-03-05 or 5.3.2026") from None


def one_of(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise failed(f"no {what} {given}; there are {', '.join(known)}")


def failed(message: str) -> typer.Exit:
    typer.echo(f"polku: {message}", err=True)
    return typer.Exit(1)


def say(said: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(said))
    else:
        for name, value in said.items():
            typer.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")


def say_all(rows: list[dict[str, Any]], as_json: bool) -> None:
    """As JSON one list, else one line per row; at a terminal that is too narrow for one, in as many as it takes."""
    if as_json:
        typer.echo(json.dumps(rows))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    for row in rows:
        shown = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in row.items()]
        typer.echo(packed(shown, width))
    if not rows:
        typer.echo("none", err=True)


def packed(parts: Sequence[str], width: int) -> str:
    """The parts beside each other, none of them broken; what the width has no room for goes on in an indented line."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(GAP) + len(part) <= width:
            lines[-1] += GAP + part
        else:
            lines.append(GAP + part)
    return "\n".join(lines)
