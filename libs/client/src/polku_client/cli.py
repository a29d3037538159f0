"""`polku referrals …`, or `polku-client …` on its own: a sender's referrals from the command line, at any Polku.

Exit codes: 0 all in, 1 failed, 2 partly.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from polku_client import report
from polku_client.client import Client
from polku_client.inputs import read_rows
from polku_client.problems import Misconfigured, NotAnswered, PolkuProblem
from polku_client.profile import read_profile
from polku_client.results import Referral

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Referrals of an organisation's own system: pushed, followed, taken back.",
)
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
File = Annotated[str, typer.Argument(help="JSON: one referral, an array, or one per line; - is standard input.")]
ExternalIds = Annotated[list[str], typer.Argument(help="The sender's own ids.")]


def option(name: str, help_text: str) -> typer.models.OptionInfo:
    """An option of the connection, or its environment variable."""
    variable = "POLKU_CLIENT_" + name.removeprefix("--client-").removeprefix("--").upper()
    found: typer.models.OptionInfo = typer.Option(name, envvar=variable, help=help_text)
    return found


@app.callback()
def connection(
    context: typer.Context,
    url: Annotated[str | None, option("--url", "Polku's address.")] = None,
    client_id: Annotated[str | None, option("--client-id", "As whom.")] = None,
    key: Annotated[str | None, option("--key", "File of the private key, PEM or JWK.")] = None,
    audience: Annotated[str | None, option("--audience", "The issuer, when it is not the address.")] = None,
    language: Annotated[str | None, option("--language", "Of messages: fi, sv, en.")] = None,
    profile: Annotated[Path | None, option("--profile", "TOML file with these names.")] = None,
) -> None:
    """Referrals of an organisation's own system: pushed, followed, taken back."""
    given = {"url": url, "client_id": client_id, "key": key, "audience": audience, "language": language}
    context.obj = lambda: read_profile(profile, given)  # read when a command runs, so that --help needs nothing


@contextmanager
def connected(context: typer.Context, *, as_json: bool) -> Iterator[Client]:
    """A client as the options say. A refusal is shown, with exit code 1."""
    try:
        at = context.obj()
        with Client(at.url, at.client_id, at.key, at.audience, language=at.language) as client:
            yield client
    except PolkuProblem as problem:
        if as_json:
            report.out({"problem": report.shown_problem(problem)})
        else:
            report.say(str(problem))
        raise typer.Exit(report.FAILED) from None
    except (Misconfigured, NotAnswered) as error:
        report.say(str(error))
        raise typer.Exit(report.FAILED) from None


@app.command()
def push(context: typer.Context, file: File, *, as_json: Json = False) -> None:
    """Send referrals. Sending the same file again is safe: nothing is doubled."""
    with connected(context, as_json=as_json) as client:
        rows, taken, refusals = read_rows(file), [], []
        for row in rows:
            try:
                taken.append(client.push(row.body))
            except PolkuProblem as problem:
                refusals += report.refusals_of(row.line, problem)
    _tell(taken, refusals, as_json=as_json)


@app.command()
def check(context: typer.Context, file: File, *, as_json: Json = False) -> None:
    """Check referrals as `push` would; nothing is kept."""
    with connected(context, as_json=as_json) as client:
        rows, refusals = read_rows(file), []
        for row in rows:
            try:
                client.check(row.body)
            except PolkuProblem as problem:
                refusals += report.refusals_of(row.line, problem)
    wrong = len({one.line for one in refusals})
    if as_json:
        report.out({"rows": len(rows), "valid": len(rows) - wrong, "refused": [vars(one) for one in refusals]})
    else:
        report.show_refusals(refusals)
        report.say(f"{len(rows) - wrong} of {len(rows)} would be taken in")
    raise typer.Exit(_code(len(rows) - wrong, wrong))


@app.command()
def status(context: typer.Context, external_ids: ExternalIds, *, as_json: Json = False) -> None:
    """Where referrals stand, by the sender's own ids."""
    with connected(context, as_json=as_json) as client:
        found = [client.find(one) for one in external_ids]
    known = [one for one in found if one is not None]
    if as_json:
        report.out([report.shown(one) for one in known])
    else:
        report.show_referrals(known)
        if len(known) < len(found):
            report.say(f"{len(found) - len(known)} not known")
    raise typer.Exit(_code(len(known), len(found) - len(known)))


@app.command()
def withdraw(
    context: typer.Context,
    external_id: Annotated[str, typer.Argument(help="The sender's own id.")],
    *,
    reason: Annotated[str, typer.Option(help="Of the code list `withdraw_reason`.")],
    text: Annotated[str, typer.Option(help="For the project to read.")] = "",
    as_json: Json = False,
) -> None:
    """Take a referral back; one that was accepted is asked back from the project."""
    with connected(context, as_json=as_json) as client:
        found = client.find(external_id)
        if found is None:
            raise Misconfigured(f"no referral is known by the id {external_id}")
        withdrawing = client.withdraw if found.state != "accepted" else client.request_withdrawal
        after = withdrawing(found, reason, text)
    report.out(report.shown(after)) if as_json else report.show_referrals([after])


@app.command()
def events(
    context: typer.Context,
    *,
    after: Annotated[str | None, typer.Option(help="Cursor of the last event that was handled; `now`.")] = None,
    cursor_file: Annotated[Path | None, typer.Option(help="Keeps the cursor from one call to the next.")] = None,
    follow: Annotated[bool, typer.Option(help="Wait for news, until interrupted.")] = False,
    as_json: Json = False,
) -> None:
    """What became of the referrals, one line each, in order."""
    kept = cursor_file.read_text("utf-8").strip() if cursor_file and cursor_file.exists() else None
    with connected(context, as_json=as_json) as client:
        for event in client.events(after or kept, follow=follow):
            if as_json:
                told = {"id": event.id, "type": event.type, "timestamp": event.at.isoformat(), "data": event.data}
                report.out({**told, "cursor": event.cursor})
            else:
                typer.echo(f"{event.at:%Y-%m-%d %H:%M} {event.external_id or ''} {event.type}")
            if cursor_file and event.cursor:
                cursor_file.write_text(event.cursor, "utf-8")


def _tell(taken: list[Referral], refusals: list[report.Refusal], *, as_json: bool) -> None:
    """Shows what became of a file, and ends with its exit code."""
    wrong = len({one.line for one in refusals})
    if as_json:
        report.out({"taken": [report.shown(one) for one in taken], "refused": [vars(one) for one in refusals]})
    else:
        report.show_referrals(taken)
        report.show_refusals(refusals)
        fresh = sum(one.is_new for one in taken)
        report.say(f"{fresh} taken in, {len(taken) - fresh} known before, {wrong} refused")
    raise typer.Exit(_code(len(taken), wrong))


def _code(good: int, bad: int) -> int:
    if not bad:
        return report.DONE
    return report.PARTLY if good else report.FAILED


def main() -> None:
    """`polku-client …`"""
    app()


if __name__ == "__main__":
    main()
