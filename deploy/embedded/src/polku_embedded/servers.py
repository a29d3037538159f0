"""Throw-away servers for tests: a real Kafka and a real mongod on free loopback ports."""

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from polku_embedded import Trouble, mongodb
from polku_embedded import kafka as kafka_node
from polku_embedded.child import die_with_parent
from polku_embedded.jars import kafka_jars
from polku_embedded.ports import free_port

__all__ = ["free_port", "kafka", "mongod", "running"]

THROW_AWAY = (
    # Thousands of databases come and go: what was dropped must not keep its files open for minutes.
    "--setParameter",
    "minSnapshotHistoryWindowInSeconds=10",
    "--wiredTigerEngineConfigString",
    "file_manager=(close_idle_time=5,close_scan_interval=5,close_handle_minimum=100)",
)
START_S = 60.0


@contextmanager
def kafka(folder: Path) -> Iterator[str]:
    """A broker with its data in `folder`; gives `host:port`."""
    port = free_port()
    jars = kafka_jars()
    kafka_node.prepare(jars, folder, port, free_port())
    with running(kafka_node.start(jars, folder), folder / "kafka.out", lambda: kafka_node.answers(port)):
        yield f"127.0.0.1:{port}"


@contextmanager
def mongod(folder: Path) -> Iterator[str]:
    """A one-node replica set with its data in `folder`; gives its URI."""
    port = free_port()
    command = [*mongodb.command(folder / "db", port), *THROW_AWAY]
    with running(command, folder / "mongod.out", lambda: mongodb.answers(port)):
        yield mongodb.uri(port)


@contextmanager
def running(command: Sequence[str], log: Path, answers: Callable[[], Awaitable[bool]]) -> Iterator[None]:
    """Runs a program while the block lasts, from when it answers. Raises Trouble when it does not start."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - two C calls, and no thread of ours holds a lock
            process_group=0,
        )
    try:
        asyncio.run(_until(answers, process, log))
        yield
    finally:
        # Nobody reads its data again. Asked to end, it would first write down thousands of databases or topics.
        process.kill()
        process.wait()


async def _until(answers: Callable[[], Awaitable[bool]], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_S
    while not await answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise Trouble(f"a server did not start: {last_line(log)}")
        await asyncio.sleep(0.1)


def last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
