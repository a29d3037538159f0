"""`polku …`: one command for people. Exit codes: 0 done, 1 failed, 2 partly."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from yaml import YAMLError

from polku_embedded import Trouble
from polku_embedded.commands import add_service_commands
from polku_embedded.console import Json, print_table, say
from polku_embedded.folder import DataFolder
from polku_embedded.supervisor import TOPICS_FILE
from polku_embedded.supervisor import up as supervise
from polku_runtime import topics as topic_plans
from polku_runtime.settings import Settings, SettingsError, load
from polku_runtime.trouble import is_infrastructure, name_of

READY_S = 120.0
DOWN_S = 30.0

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Polku: service pathways that can be followed.",
)
topics_app = typer.Typer(no_args_is_help=True, help="The topics of this installation.")
app.add_typer(topics_app, name="topics")


@app.command()
def up(*, detach: Annotated[bool, typer.Option(help="Return when all is ready and leave it running.")] = False) -> None:
    """Start Kafka, MongoDB, the web and the worker, and keep them running."""
    folder = DataFolder()
    if detach:
        start_detached(folder)
    else:
        asyncio.run(supervise(folder, say))


@app.command()
def down() -> None:
    """Stop everything that runs on the data folder."""
    folder = DataFolder()
    holder = folder.holder()
    if holder is None:
        say("nothing is running")
        return
    os.kill(holder, 15)
    deadline = time.monotonic() + DOWN_S
    while folder.holder() is not None:
        if time.monotonic() > deadline:
            raise Trouble(f"process {holder} did not stop within {DOWN_S:.0f} s")
        time.sleep(0.1)
    say("stopped")


@app.command()
def demo(*, as_json: Json = False) -> None:
    """Start everything with the Kainuu programme and artificial referrals flowing in; print a link for each role."""
    from polku_embedded import demo as demonstration

    folder = DataFolder()
    is_new = demonstration.prepare(folder)
    if folder.holder() is None:
        start_detached(folder)
    folder.use_settings()
    address = os.environ["POLKU_BASE_URL"]
    if is_new:
        say("making organisations, an authority's system and people …")
        demonstration.seed(folder, address)
    said = demonstration.links()
    if as_json:
        print(json.dumps({"address": address, "links": said}))
        return
    print(f"\nPolku runs at {address} and stays running (stop it with: make down).")
    print("Referrals arrive from an authority's system now. Each link signs in once:\n")
    for one in said:
        print(f"  {one['role']:<12} {one['sees']}\n               {one['link']}\n")
    print("Signing in with another link in the same browser leaves the earlier role.")
    print(f"For developers: {address}/referral/api/v1/docs")


@app.command()
def status(*, as_json: Json = False) -> None:
    """How each process is, and what waits: consumer lag, outbox age, dead letters, webhooks in trouble."""
    from polku_embedded import status as state

    folder = DataFolder()
    folder.use_settings()
    said = asyncio.run(state.status(folder))
    if as_json:
        print(json.dumps(said.as_dict()))
    else:
        say(f"{said.phase} {said.address}".strip())
        webhooks = said.webhooks or []
        tables = (("processes", said.children), ("services", said.services), ("webhooks in trouble", webhooks))
        for title, rows in tables:
            print_table(title, [vars(row) for row in rows])
    if said.phase != "ready":
        raise typer.Exit(1)


@topics_app.command("apply")
def topics_apply(
    file: Annotated[Path, typer.Option(help="The topics as they should be.")] = TOPICS_FILE,
    *,
    single_node: Annotated[bool, typer.Option(help="One broker: replication 1.")] = False,
    as_json: Json = False,
) -> None:
    """Create missing topics; fail when the cluster differs from the file."""
    DataFolder().use_settings()
    settings = load(Settings)
    try:
        plan = topic_plans.read(file)
    except OSError as error:
        raise Trouble(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, YAMLError):
        raise Trouble(f"{file} is no file of topics") from None
    applied = asyncio.run(topic_plans.apply(settings.kafka, settings.namespace, plan, single_node=single_node))
    if as_json:
        print(json.dumps({"created": applied.created, "drift": applied.drift}))
    else:
        for name in applied.created:
            say(f"created {name}")
        for line in applied.drift:
            say(f"drift: {line}")
    raise typer.Exit(1 if applied.drift else 0)


def start_detached(folder: DataFolder) -> None:
    """Runs `polku up` in the background and returns when it is ready; its last words when it is not."""
    if folder.holder() is not None:
        raise Trouble(f"already running on {folder.path} (stop it with: polku down)")
    try:
        folder.logs.mkdir(parents=True, exist_ok=True)
        log = (folder.logs / "polku.log").open("w+")
    except OSError as error:
        raise Trouble(f"the data folder {folder.path} cannot be written: {error.strerror}") from None
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "polku_embedded.cli", "up"], stdout=log, stderr=log, start_new_session=True
        )
        told = 0
        deadline = time.monotonic() + READY_S
        while process.poll() is None and time.monotonic() < deadline:
            lines = (folder.logs / "polku.log").read_text("utf-8").splitlines()
            for line in lines[told:]:
                print(line, file=sys.stderr, flush=True)
            told = len(lines)
            if any("ready after" in line for line in lines):
                return
            time.sleep(0.1)
        if process.poll() is None:
            process.terminate()
            raise Trouble(f"not ready within {READY_S:.0f} s; see {folder.logs}")
        lines = (folder.logs / "polku.log").read_text("utf-8").splitlines()
        raise SystemExit("\n".join(lines[told:]) or (1 if lines else f"polku: did not start; see {folder.logs}"))


def main() -> None:
    # aiokafka logs every refused connection while a broker is still starting.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    add_service_commands(app)
    try:
        app()
    except SettingsError as error:
        folder = DataFolder()
        if folder.kept_ports():
            raise
        raise Trouble(
            f"nothing is set up in {folder.path}: run polku up, or name another folder by POLKU_DATA; "
            f"for another MongoDB and Kafka: {str(error).removeprefix('polku: ')}"
        ) from None
    except Exception as error:
        if not is_infrastructure(error):
            raise
        raise Trouble(f"Kafka or MongoDB does not answer ({name_of(error)}); see: polku status") from None


if __name__ == "__main__":
    main()
