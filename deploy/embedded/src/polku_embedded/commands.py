"""The sub-commands of services and of the runtime, gathered under `polku`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from polku_embedded.console import Json, print_table, say
from polku_embedded.folder import DataFolder
from polku_embedded.supervisor import SERVICES
from polku_runtime import mongo
from polku_runtime.dead_letters import DeadLetters
from polku_runtime.effects import system_effects
from polku_runtime.journal import MongoJournal
from polku_runtime.publisher import KafkaPublisher
from polku_runtime.republish import republish as refill
from polku_runtime.settings import Settings, load

Service = Annotated[str, typer.Argument(help=", ".join(SERVICES))]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids as `list` shows them.")]

STARTING = ("up", "down", "demo")
"""Commands that decide the settings themselves; what the last start had would be in their way."""

LISTED = ("id", "reason", "error", "event_type", "origin")
"""What a line of `dead-letters list` has room for; `show` tells the rest."""

letters_app = typer.Typer(no_args_is_help=True, help="Records that could not be applied.")


def add_service_commands(app: typer.Typer) -> None:
    """Mounts what each service offers: every command runs with the settings of the data folder."""
    from polku_client import cli as client
    from polku_embedded.xroad import cli as xroad
    from polku_indicators import cli as indicators
    from polku_referral import cli as referral

    @app.callback()
    def settings(context: typer.Context) -> None:
        if context.invoked_subcommand not in STARTING:
            DataFolder().use_settings()

    app.add_typer(letters_app, name="dead-letters")
    app.add_typer(client.app, name="referrals")
    app.add_typer(xroad.app, name="xroad")
    app.command()(republish)
    for offered in (referral.app, indicators.app):
        app.registered_groups += offered.registered_groups
        app.registered_commands += offered.registered_commands


def republish(service: Service, *, as_json: Json = False) -> None:
    """Fill a service's topic again from its journal; consumers take repeats for what they are."""

    async def work(settings: Settings, database: mongo.Database) -> int:
        publisher = KafkaPublisher(settings)
        try:
            return await refill(settings, MongoJournal(database), publisher, lambda sent: say(f"{sent} events"))
        finally:
            await publisher.stop()

    sent = run(service, work)
    print(json.dumps({"republished": sent}) if as_json else f"{sent} events")


@letters_app.command("list")
def list_letters(service: Service, *, as_json: Json = False) -> None:
    """Dead letters that wait, oldest first. No keys and no bodies are shown."""
    letters = run(service, lambda settings, database: _letters(settings, database, service).list())
    if as_json:
        print(json.dumps([vars(letter) for letter in letters]))
    elif letters:
        rows = [{name: vars(letter)[name] for name in LISTED} for letter in letters]
        print_table(f"dead letters of {service}", rows)
    else:
        say("none")


@letters_app.command("show")
def show_letter(
    service: Service,
    letter_id: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    *,
    raw: Annotated[bool, typer.Option("--raw", help="With the body.")] = False,
    as_json: Json = False,
) -> None:
    """One dead letter with its headers; the body only when asked for, it may hold anything."""
    found = run(service, lambda settings, database: _letters(settings, database, service).show(letter_id))
    if found is None:
        say("no such letter")
        raise typer.Exit(1)
    letter, record = found
    headers = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers}
    headers.pop("ce_partitionkey", None)
    body = {"body": (record.value or b"").decode("utf-8", "replace")} if raw else {}
    print(json.dumps({**vars(letter), "headers": headers, **body}, indent=None if as_json else 2))


@letters_app.command("redrive")
def redrive_letters(
    service: Service,
    ids: Ids = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All that wait.")] = False,
    as_json: Json = False,
) -> None:
    """Send dead letters to the service once more, through its own redrive topic."""
    if not ids and not every:
        say("name the letters, or say --all")
        raise typer.Exit(1)
    sent = run(service, lambda settings, database: _letters(settings, database, service).redrive(ids or None))
    print(json.dumps({"redriven": sent})) if as_json else say(f"{sent} redriven")
    _partly(sent, ids)


@letters_app.command("drop")
def drop_letters(service: Service, ids: Ids = None, *, as_json: Json = False) -> None:
    """Take dead letters off the list for good."""
    if not ids:
        say("name the letters")
        raise typer.Exit(1)
    dropped = run(service, lambda settings, database: _letters(settings, database, service).drop(ids))
    print(json.dumps({"dropped": dropped})) if as_json else say(f"{dropped} dropped")
    _partly(dropped, ids)


def _partly(done: int, asked: list[str] | None) -> None:
    if asked and done < len(asked):
        raise typer.Exit(2 if done else 1)


def _letters(settings: Settings, database: mongo.Database, service: str) -> DeadLetters:
    return DeadLetters(settings, service, database, system_effects())


def run(service: str, work: Callable[[Settings, mongo.Database], Awaitable[Any]]) -> Any:
    """Runs `work` with the settings and the database of one service."""
    if service not in SERVICES:
        say(f"no service {service}; there are {', '.join(SERVICES)}")
        raise typer.Exit(1)

    async def inside() -> Any:
        settings = load(Settings)
        client = mongo.connect(settings)
        try:
            return await work(settings, mongo.database(client, settings, service))
        finally:
            await client.close()

    return asyncio.run(inside())
