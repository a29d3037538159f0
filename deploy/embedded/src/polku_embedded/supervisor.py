"""`polku up`: Kafka, mongod, one web process and one worker process, started in order and kept running."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping

import httpx

from polku_embedded import Trouble, kafka, mongodb
from polku_embedded.child import Child, Say
from polku_embedded.folder import CHECKOUT, DataFolder
from polku_embedded.jars import kafka_jars
from polku_embedded.ports import Ports, listens
from polku_runtime import topics
from polku_runtime.settings import load
from polku_runtime.trouble import is_infrastructure, name_of

SERVICES = ("referral", "pathway", "activities", "indicators")
READY_S = 60.0
STATE_S = 1.0
STOP_OURS_S, STOP_SERVERS_S = 16.0, 7.0
"""Together under the promised 25 s."""
TOPICS_FILE = CHECKOUT / "deploy" / "kafka" / "topics.yaml"


async def up(folder: DataFolder, say: Say) -> None:
    """Runs everything until SIGTERM or Ctrl-C. Raises Trouble in one line when something cannot start."""
    folder.lock()
    ports = folder.ports()
    check_settings(folder.environment(ports))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    servers, ours = _children(folder, ports, say)
    children = [*servers, *ours]
    watching = asyncio.create_task(_watch(folder, children, ports, say))
    simulating = asyncio.create_task(_simulate(folder, children, ports, say))
    try:
        began = time.monotonic()
        starting = asyncio.create_task(_start(servers, ours, ports, say))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            if wrong := starting.result():
                raise Trouble(wrong)
            say(f"ready after {time.monotonic() - began:.1f} s: http://127.0.0.1:{ports.web}")
            await stop.wait()
        starting.cancel()
        say("stopping")
    finally:
        watching.cancel()
        simulating.cancel()
        await asyncio.gather(*(child.stop() for child in children if child not in servers))
        await asyncio.gather(*(child.stop() for child in servers))
        with contextlib.suppress(Trouble):  # a full disk must not hide why we stop
            folder.write("state.json", json.dumps({"phase": "stopped"}))
        say("stopped")


def check_settings(environment: Mapping[str, str]) -> None:
    """Reads every service's settings before anything starts. Raises SettingsError, one line with its name."""
    from polku_activities.settings import ActivitiesSettings
    from polku_indicators.settings import IndicatorsSettings
    from polku_pathway.settings import PathwaySettings
    from polku_referral.settings import ReferralSettings

    os.environ.update(environment)
    for kind in (ReferralSettings, PathwaySettings, ActivitiesSettings, IndicatorsSettings):
        load(kind)


def _children(folder: DataFolder, ports: Ports, say: Say) -> tuple[list[Child], list[Child]]:
    environment = {**os.environ, **folder.environment(ports)}
    # Compiled modules are kept wherever they may be: they halve the time until web and worker answer.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    jars = kafka_jars()

    def child(name: str, command: list[str], answers: Callable[[], Awaitable[bool]], stop_s: float) -> Child:
        return Child(name, command, answers=answers, environment=environment, logs=folder.logs, stop_s=stop_s, say=say)

    broker = kafka.prepare(jars, folder.path / "kafka", ports.kafka, ports.controller)
    database = mongodb.command(folder.path / "mongodb", ports.mongo)
    return (
        [
            child("kafka", broker, lambda: kafka.answers(ports.kafka), STOP_SERVERS_S),
            child("mongod", database, lambda: mongodb.answers(ports.mongo), STOP_SERVERS_S),
        ],
        [
            child("web", [sys.executable, "-m", "polku_embedded.web"], lambda: healthy(ports.web), STOP_OURS_S),
            child(
                "worker", [sys.executable, "-m", "polku_embedded.worker"], lambda: healthy(ports.worker), STOP_OURS_S
            ),
        ],
    )


async def _simulate(folder: DataFolder, children: list[Child], ports: Ports, say: Say) -> None:
    """Starts the demo's life once the demo has been seeded and everything is up."""
    while not ((folder.path / "demo.json").exists() and all(child.ready for child in children)):  # noqa: ASYNC110
        await asyncio.sleep(STATE_S)

    async def always() -> bool:
        return True

    life = Child(
        "simulation",
        [sys.executable, "-m", "polku_embedded.simulation"],
        answers=always,
        environment={**os.environ, **folder.environment(ports)},
        logs=folder.logs,
        stop_s=STOP_OURS_S,
        say=say,
    )
    children.append(life)
    await life.start()
    life.ready = True


async def _start(servers: list[Child], ours: list[Child], ports: Ports, say: Say) -> str | None:
    """Starts group after group; a sentence when something does not come up."""
    for group in (servers, ours):
        if group is ours:
            wrong = await _topics(ports, say)
            if wrong:
                return wrong
        for one in group:
            await one.start()
        waiting = {asyncio.create_task(one.until_ready(READY_S), name=one.name) for one in group}
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for answered in done:
                if wrong := answered.result():
                    return wrong
                say(f"{answered.get_name()} is ready")
    return None


async def _topics(ports: Ports, say: Say) -> str | None:
    namespace = os.environ.get("POLKU_NAMESPACE", "polku")
    try:
        applied = await topics.apply(f"127.0.0.1:{ports.kafka}", namespace, topics.read(TOPICS_FILE), single_node=True)
    except Exception as error:
        if not is_infrastructure(error):
            raise
        return f"the topics could not be made ({name_of(error)})"
    for line in applied.drift:
        say(f"topic differs from the file: {line}")
    return f"the topics differ from {TOPICS_FILE}" if applied.drift else None


async def healthy(port: int) -> bool:
    """True when all four services behind a port say that they are ready."""
    if not listens(port):
        return False
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=2.0) as client:
        try:
            answers = await asyncio.gather(*(client.get(f"/{service}/health/ready") for service in SERVICES))
        except httpx.HTTPError:
            return False
    return all(answer.status_code == httpx.codes.OK for answer in answers)


async def _watch(folder: DataFolder, children: list[Child], ports: Ports, say: Say) -> None:
    """Says once a second how the children are, for `polku status`; a child that came back is looked at again."""
    while True:
        for child in children:
            if child.restarts and not child.ready and child.pid and await child.answers():
                child.ready = True
                say(f"{child.name} is ready again")
        state = {
            "phase": "ready" if all(child.ready for child in children) else "starting",
            "supervisor": os.getpid(),
            "web": ports.web,
            "worker": ports.worker,
            "children": {
                child.name: {
                    "pid": child.pid,
                    "ready": child.ready,
                    "restarts": child.restarts,
                    "started_at": child.started_at,
                }
                for child in children
            },
        }
        with contextlib.suppress(Trouble):  # a full disk must not end the supervisor
            folder.write("state.json", json.dumps(state))
        await asyncio.sleep(STATE_S)
