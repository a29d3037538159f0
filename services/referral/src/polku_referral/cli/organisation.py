"""`polku organisation …`"""

import re
from typing import Annotated, Any

import typer

from polku_referral.admin.admin import Admin
from polku_referral.admin.views import organisation as shown
from polku_referral.admin.wire import OrganisationChange
from polku_referral.cli.common import Json, administer, day, failed, fitting, one_of, owner, say, say_all
from polku_referral.model.directory import FHIR_PROFILES, KINDS, Organisation
from polku_runtime.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Organisations that refer, coach, fund or employ.")
CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)

Code = Annotated[str, typer.Argument(help="The organisation's code.")]
Kind = Annotated[str | None, typer.Option(help=", ".join(KINDS))]
BusinessId = Annotated[str | None, typer.Option(help="Finnish business id (Y-tunnus).")]
Alias = Annotated[list[str] | None, typer.Option(help="Once per other name.")]
From = Annotated[str | None, typer.Option("--from", help="First day.")]
Until = Annotated[str | None, typer.Option("--until", help="Last day.")]
Profile = Annotated[str | None, typer.Option("--fhir-profile", help=", ".join(FHIR_PROFILES))]
MAX_LISTED = 10_000


@app.command("add")
def add(
    code: Annotated[str, typer.Argument(help="Short code, lower case.")],
    name: Annotated[str, typer.Argument(help="What people call it.")],
    *,
    kind: Kind = "other",
    business_id: BusinessId = None,
    alias: Alias = None,
    valid_from: From = None,
    valid_until: Until = None,
    fhir_profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Register an organisation."""
    if CODE.fullmatch(code) is None:
        raise failed(f"{code} is no code: lower case letters, digits and hyphens, 40 at most")
    said = _said(name, kind, business_id, alias, valid_from, valid_until, fhir_profile)

    async def work(admin: Admin, _: Settings) -> Organisation:
        if await admin.directory.organisation(code) is not None:
            raise failed(f"there is an organisation {code} already")
        return await admin.add_organisation(None, {"code": code, **said})

    made = administer(work)
    say({"organisation_id": made.id, "code": made.code}, as_json)


@app.command("list")
def list_all(*, as_json: Json = False) -> None:
    """All organisations, by code."""

    async def work(admin: Admin, _: Settings) -> list[dict[str, Any]]:
        found = await admin.directory.organisations_after({}, MAX_LISTED)
        return [{"code": one.code, "name": one.name, "kind": one.kind, "active": one.active} for one in found]

    say_all(administer(work), as_json)


@app.command("show")
def show(code: Code, *, as_json: Json = False) -> None:
    """One organisation with its agreements."""

    async def work(admin: Admin, _: Settings) -> dict[str, Any]:
        return shown(await owner(admin, code), admin.today).model_dump(mode="json")

    say(administer(work), as_json)


@app.command("change")
def change(
    code: Code,
    *,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    kind: Kind = None,
    business_id: BusinessId = None,
    alias: Alias = None,
    valid_from: From = None,
    valid_until: Until = None,
    fhir_profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Change what is given and leave the rest; an empty text takes a value away."""
    said = _said(name, kind, business_id, alias, valid_from, valid_until, fhir_profile)

    async def work(admin: Admin, _: Settings) -> dict[str, Any]:
        before = await owner(admin, code)
        after = await admin.change_organisation(None, before.id, None, said)
        return shown(after, admin.today).model_dump(mode="json")

    say(administer(work), as_json)


@app.command("deactivate")
def deactivate(code: Code, *, as_json: Json = False) -> None:
    """Let the organisation's machines in no more; tokens that they have are void within seconds."""
    _open(code, active=False, as_json=as_json)


@app.command("activate")
def activate(code: Code, *, as_json: Json = False) -> None:
    """Let them in again."""
    _open(code, active=True, as_json=as_json)


def _open(code: str, *, active: bool, as_json: bool) -> None:
    async def work(admin: Admin, _: Settings) -> dict[str, Any]:
        before = await owner(admin, code)
        after = await admin.open_organisation(None, before.id, None, active=active)
        return {"code": after.code, "active": after.active}

    say(administer(work), as_json)


def _said(
    name: str | None,
    kind: str | None,
    business_id: str | None,
    aliases: list[str] | None,
    valid_from: str | None,
    valid_until: str | None,
    fhir_profile: str | None,
) -> dict[str, Any]:
    """What was given, for the rules of an organisation."""
    if kind is not None:
        one_of("kind", kind, KINDS)
    if fhir_profile is not None:
        one_of("FHIR profile", fhir_profile, FHIR_PROFILES)
    said: dict[str, Any] = {"name": name, "kind": kind, "fhir_profile": fhir_profile}
    said |= {"aliases": None if aliases is None else [one for one in aliases if one]}
    given = {key: value for key, value in said.items() if value is not None}
    if business_id is not None:
        given["business_id"] = business_id or None
    for key, text in (("valid_from", valid_from), ("valid_until", valid_until)):
        if text is not None:
            given[key] = day(text) if text else None
    return fitting(OrganisationChange, given)
