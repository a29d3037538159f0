"""`polku up`: Kafka, mongod, the web and the worker, each started when what it needs is there, and kept running."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path

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
    jars = kafka_jars()
    children = _children(folder, jars, ports, say)
    servers = children[:2]
    watching = asyncio.create_task(_watch(folder, children, ports, say))
    simulating = asyncio.create_task(_simulate(folder, children, ports, say))
    try:
        began = time.monotonic()
        prepare = partial(kafka.prepare, jars, folder.path / "kafka", ports.kafka, ports.controller)
        starting = asyncio.create_task(_start(children[:4], prepare, ports, say))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            say(f"ready after {time.monotonic() - began:.1f} s: http://127.0.0.1:{ports.web}")
            await stop.wait()
        starting.cancel()
        await asyncio.wait([starting])
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


def _children(folder: DataFolder, jars: Path, ports: Ports, say: Say) -> list[Child]:
    """The two servers, then the two processes of ours."""
    environment = {**os.environ, **folder.environment(ports)}
    # Compiled modules are kept wherever they may be: they halve the time until web and worker answer.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def child(name: str, command: list[str], answers: Callable[[], Awaitable[bool]], stop_s: float) -> Child:
        return Child(name, command, answers=answers, environment=environment, logs=folder.logs, stop_s=stop_s, say=say)

    broker = kafka.start(jars, folder.path / "kafka")
    database = mongodb.command(folder.path / "mongodb", ports.mongo)
    web, worker = ([sys.executable, "-m", f"polku_embedded.{name}"] for name in ("web", "worker"))
    return [
        child("kafka", broker, lambda: kafka.answers(ports.kafka), STOP_SERVERS_S),
        child("mongod", database, lambda: mongodb.answers(ports.mongo), STOP_SERVERS_S),
        child("web", web, lambda: healthy(ports.web), STOP_OURS_S),
        child("worker", worker, lambda: healthy(ports.worker), STOP_OURS_S),
    ]


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


async def _start(children: list[Child], prepare: Callable[[], None], ports: Ports, say: Say) -> None:
    """Starts each as soon as what it needs is there. Raises Trouble for the first that does not come up."""
    kafka_node, mongod, web, worker = children
    kept = asyncio.Event()

    async def come_up(one: Child) -> None:
        await one.start()
        if wrong := await one.until_ready(READY_S):
            raise Trouble(wrong)
        say(f"{one.name} is ready")

    async def database_and_web() -> None:
        await come_up(mongod)
        kept.set()
        await come_up(web)

    async def broker_and_worker() -> None:
        await asyncio.to_thread(prepare)
        await come_up(kafka_node)
        await _topics(ports, say)
        await kept.wait()
        await come_up(worker)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(database_and_web())
            group.create_task(broker_and_worker())
    except ExceptionGroup as wrong:
        raise wrong.exceptions[0] from None


async def _topics(ports: Ports, say: Say) -> None:
    namespace = os.environ.get("POLKU_NAMESPACE", "polku")
    try:
        applied = await topics.apply(f"127.0.0.1:{ports.kafka}", namespace, topics.read(TOPICS_FILE), single_node=True)
    except Exception as error:
        if not is_infrastructure(error):
            raise
        raise Trouble(f"the topics could not be made ({name_of(error)})") from None
    for line in applied.drift:
        say(f"topic differs from the file: {line}")
    if applied.drift:
        raise Trouble(f"the topics differ from {TOPICS_FILE}")


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
