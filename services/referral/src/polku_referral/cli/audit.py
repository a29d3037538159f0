"""`polku audit …`: the trail of looks at people, of changes and of refusals."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from polku_referral.audit import Audit
from polku_referral.cli.common import Json, day, run, say, say_all
from polku_referral.directory import Directory
from polku_runtime.settings import Settings
from polku_web.formats import HELSINKI

app = typer.Typer(no_args_is_help=True, help="The trail of looks at people, changes and refusals.")
MOST = 1000


@app.command("verify")
def verify(*, as_json: Json = False) -> None:
    """Walk the whole audit trail; exit code 1 when a row was changed, removed or moved."""

    async def work(directory: Directory, _: Settings) -> list[str]:
        return await Audit(directory.database, directory.effects).verify()

    wrong = run(work)
    say({"holds": not wrong, "wrong": wrong}, as_json)
    if wrong:
        raise typer.Exit(1)


@app.command("show")
def show(
    *,
    client: Annotated[str | None, typer.Option(help="Rows about this machine client, or by it.")] = None,
    since: Annotated[str | None, typer.Option(help="From this day on; the last day and night if not given.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST)] = 100,
    as_json: Json = False,
) -> None:
    """Rows of the trail, newest first."""

    async def work(directory: Directory, _: Settings) -> list[dict[str, Any]]:
        begin = directory.effects.now() - timedelta(days=1)
        if since:
            begin = datetime.combine(day(since), datetime.min.time(), HELSINKI).astimezone(UTC)
        return await Audit(directory.database, directory.effects).newest(client=client, since=begin, limit=limit)

    say_all(run(work), as_json)
