"""`polku agreement …`"""

from typing import Annotated, Any

import typer

from polku_referral.admin.admin import Admin
from polku_referral.admin.views import agreement as shown
from polku_referral.cli.common import Json, administer, day, owner, say, say_all
from polku_referral.model.telling import RETURNS
from polku_runtime.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="What organisations may send, and what goes back to them. One without any agreement is not restricted.",
)
Organisation = Annotated[str, typer.Option(help="The organisation's code.")]


@app.command("add")
def add(
    *,
    organisation: Organisation,
    starts: Annotated[str, typer.Option("--from", help="First day.")],
    ends: Annotated[str | None, typer.Option("--until", help="Last day.")] = None,
    programme: Annotated[list[str] | None, typer.Option(help="Once per programme; none leaves it open.")] = None,
    route: Annotated[list[str] | None, typer.Option(help="Once per route; none leaves it open.")] = None,
    service: Annotated[list[str] | None, typer.Option(help="Once per service; none leaves it open.")] = None,
    returns: Annotated[
        list[str] | None, typer.Option(help=f"Once per what goes back ({', '.join(RETURNS)}); all if not given.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Agree with an organisation on what it may send."""
    said = {
        "programmes": tuple(programme or ()),
        "routes": tuple(route or ()),
        "services": tuple(service or ()),
        "returns": tuple(RETURNS if returns is None else returns),
        "starts_on": day(starts),
        "ends_on": day(ends) if ends else None,
    }

    async def work(admin: Admin, _: Settings) -> dict[str, Any]:
        found = await owner(admin, organisation)
        made = await admin.add_agreement(None, found.id, None, said)
        return {"agreement_id": made.agreements[-1].id, "organisation": organisation}

    say(administer(work), as_json)


@app.command("list")
def list_all(*, organisation: Organisation, as_json: Json = False) -> None:
    """An organisation's agreements, also those that are over."""

    async def work(admin: Admin, _: Settings) -> list[dict[str, Any]]:
        found = await owner(admin, organisation)
        return [shown(one, admin.today).model_dump(mode="json") for one in found.agreements]

    say_all(administer(work), as_json)


@app.command("end")
def end(
    agreement_id: Annotated[str, typer.Argument(help="Its id, as `list` prints it.")],
    *,
    organisation: Organisation,
    on: Annotated[str | None, typer.Option(help="Last day; today if not given.")] = None,
    as_json: Json = False,
) -> None:
    """Set an agreement's last day."""
    last = day(on) if on else None

    async def work(admin: Admin, _: Settings) -> dict[str, Any]:
        found, ends_on = await owner(admin, organisation), last or admin.today
        await admin.end_agreement(None, found.id, None, agreement_id, ends_on)
        return {"agreement_id": agreement_id, "ends_on": ends_on.isoformat()}

    say(administer(work), as_json)
