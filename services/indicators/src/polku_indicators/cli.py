"""`polku rebuild`: the figures made again from the topics, beside the live ones."""

import json
import sys
from typing import Annotated

import typer
import uvloop
from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError

from polku_indicators.catalogue import load_rules
from polku_indicators.rebuild import Outcome, rebuild
from polku_indicators.replay import HistoryMissing
from polku_indicators.repository import Store
from polku_indicators.settings import SERVICE, IndicatorsSettings
from polku_runtime import mongo
from polku_runtime.effects import system_effects
from polku_runtime.settings import load

app = typer.Typer(help="Figures.")

DONE, FAILED, PARTLY = 0, 1, 2


@app.command("rebuild")
def rebuild_command(
    swap: Annotated[
        bool, typer.Option("--swap", help="Make the rebuilt figures the live ones, also when they differ.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Reads every topic up to where the live figures stand, counts again and compares by checksum.

    Exit code 0: equal, or swapped. 2: different, and the live figures were left as they are. 1: not done.
    """
    settings = load(IndicatorsSettings)
    try:
        outcome = uvloop.run(_rebuild(settings, swap=swap, show=not as_json))
    except HistoryMissing as missing:
        typer.echo(f"polku: topics do not reach back to their beginning: {missing}. Run: polku republish", err=True)
        raise typer.Exit(FAILED) from None
    except (PyMongoError, KafkaError, TimeoutError) as error:
        typer.echo(f"polku: rebuild not done: {type(error).__name__}", err=True)
        raise typer.Exit(FAILED) from None
    typer.echo(json.dumps(outcome.as_json()) if as_json else in_words(outcome))
    raise typer.Exit(DONE if outcome.equal or swap else PARTLY)


async def _rebuild(settings: IndicatorsSettings, *, swap: bool, show: bool) -> Outcome:
    client = mongo.connect(settings)
    try:
        store = Store(client, mongo.database(client, settings, SERVICE))
        progress = _progress if show and sys.stderr.isatty() else None
        return await rebuild(store, settings, load_rules(), system_effects(), swap=swap, progress=progress)
    finally:
        await client.close()


def _progress(read: int, whole: int) -> None:
    end = "\n" if read >= whole else ""
    sys.stderr.write(f"\r{read} / {whole} records{end}")
    sys.stderr.flush()


def in_words(outcome: Outcome) -> str:
    """The outcome as a few lines for people."""
    speed = round(outcome.records / outcome.seconds) if outcome.seconds else 0
    lines = [
        f"{outcome.records} records read, {outcome.events} folded, {outcome.seconds:.1f} s ({speed} records/s).",
        f"States   live {outcome.live.states[:16]}  rebuilt {outcome.rebuilt.states[:16]}",
        f"Counters live {outcome.live.counters[:16]}  rebuilt {outcome.rebuilt.counters[:16]}",
        "Equal: the live figures are what the events say."
        if outcome.equal
        else "Different: the live figures are not what the events say.",
    ]
    if outcome.unreadable:
        lines.append(f"{outcome.unreadable} records could not be read; see: polku dead-letters list indicators")
    if outcome.swapped_to is not None:
        lines.append(f"View {outcome.swapped_to} is live now, {outcome.caught_up} newer events taken along.")
    elif not outcome.equal:
        lines.append("Put the rebuilt figures in their place with: polku rebuild --swap")
    return "\n".join(lines)
