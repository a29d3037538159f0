"""`polku referrals …`, or `polku-client …` on its own: a sender's referrals from the command line, at any Polku.

Exit codes: 0 all in, 1 failed, 2 partly.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from polku_client import report
from polku_client.batches import NotDone, RowResult
from polku_client.client import Client
from polku_client.importing import run_import
from polku_client.inputs import read_rows
from polku_client.problems import Misconfigured, NotAnswered, PolkuProblem
from polku_client.profile import read_profile

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Referrals of an organisation's own system: pushed, followed, taken back.",
)
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Atomic = Annotated[bool, typer.Option("--atomic", help="One that is wrong keeps all out.")]
ValidRows = Annotated[bool, typer.Option("--valid-rows", help="Take what is in order, though the rest is not.")]
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
    except (Misconfigured, NotAnswered, NotDone) as error:
        report.say(str(error))
        raise typer.Exit(report.FAILED) from None


@app.command()
def push(context: typer.Context, file: File, *, atomic: Atomic = False, as_json: Json = False) -> None:
    """Send referrals. Sending the same file again is safe: nothing is doubled."""
    _send(context, file, atomic=atomic, dry_run=False, as_json=as_json)


@app.command()
def check(context: typer.Context, file: File, *, as_json: Json = False) -> None:
    """Check referrals as `push` would; nothing is kept."""
    _send(context, file, atomic=False, dry_run=True, as_json=as_json)


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV or XLSX, one referral per line.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    valid_rows: Annotated[
        bool, typer.Option("--valid-rows", help="Take what is in order, though others are wrong.")
    ] = False,
    copy: Annotated[Path | None, typer.Option("--report", help="Where the copy with `tila` and `virhe` goes.")] = None,
    as_json: Json = False,
) -> None:
    """Check a file, show what is wrong, and take it in once that is confirmed. Again is safe: nothing is doubled."""
    with connected(context, as_json=as_json) as client:
        results = run_import(client, file, yes=yes, valid_rows=valid_rows, copy=copy, as_json=as_json)
    _tell(results, None, as_json=as_json, is_shown=True)


def _send(context: typer.Context, file: str, *, atomic: bool, dry_run: bool, as_json: bool) -> None:
    with connected(context, as_json=as_json) as client:
        rows = read_rows(file)
        with report.progress("checking" if dry_run else "sending", quiet=as_json) as progress:
            results = client.batch((row.body for row in rows), dry_run=dry_run, atomic=atomic, progress=progress)
    _tell(results, [row.line for row in rows], as_json=as_json)


def _tell(results: list[RowResult], lines: list[int] | None, *, as_json: bool, is_shown: bool = False) -> NoReturn:
    """Shows what became of rows, and ends with their exit code. is_shown: the refused ones have been shown."""
    counts = report.counted(results)
    if as_json:
        report.out({"counts": counts, "results": [report.shown_result(one, lines) for one in results]})
    else:
        report.show_taken(results)
        if not is_shown:
            report.show_refusals(report.refusals_of(results, lines))
        report.say(", ".join(f"{number} {status}" for status, number in counts.items()) or "nothing to send")
    raise typer.Exit(report.code_of(results))


@app.command()
def jobs(
    context: typer.Context,
    job_id: str,
    *,
    follow: Annotated[bool, typer.Option(help="Wait until it has ended.")] = False,
    cancel: Annotated[bool, typer.Option(help="Do no more of it; what is done stays.")] = False,
    as_json: Json = False,
) -> None:
    """Where a large batch stands; what became of its rows once it has ended."""
    with connected(context, as_json=as_json) as client:
        if cancel:
            client.jobs.cancel(job_id)
        with report.progress("working", quiet=as_json) as progress:
            job = client.jobs.follow(job_id, progress) if follow else client.jobs.get(job_id)
        results = list(client.jobs.results(job_id)) if job.has_ended else []
    if not job.has_ended:
        report.out(dict(job.said)) if as_json else report.say(f"{job.state}: {job.done} of {job.total}")
        return
    if not as_json:
        report.say(f"{job.state}: {job.done} of {job.total}")
    _tell(results, None, as_json=as_json)


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


def _code(good: int, bad: int) -> int:
    if not bad:
        return report.DONE
    return report.PARTLY if good else report.FAILED


def main() -> None:
    """`polku-client …`"""
    app()


if __name__ == "__main__":
    main()
