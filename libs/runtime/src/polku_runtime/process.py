"""`python -m polku_<service> api | worker | all`: one service as a process, stopped by SIGTERM in time."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, TypeVar

import uvicorn
import uvloop

from polku_runtime import logs, telemetry
from polku_runtime.protocol import Prompt
from polku_runtime.settings import Settings, load
from polku_runtime.worker import Worker, health_app

HTTP_GRACE_S = 5
"""A slow client must not eat the whole grace period; then the worker has 15 s, and 25 s is the promise."""
HARD_STOP_S = 24.0
MODES = ("api", "worker", "all")

log = logging.getLogger(__name__)
S = TypeVar("S", bound=Settings)
App = Callable[..., Any]


def _nothing() -> None:
    return


def main(
    service: str,
    kind: type[S],
    create_api: Callable[[S], App],
    create_worker: Callable[[S], Worker],
    on_stop: Callable[[], None] = _nothing,
    listeners: Mapping[str, Callable[[S], uvicorn.Server]] | None = None,
) -> None:
    """The command line of one service. Exit code 2 for a wrong call, 1 for a wrong setting. on_stop: see `run`.

    listeners: further modes, each an HTTP server of its own.
    """
    special = listeners or {}
    modes = (*MODES, *special)
    if len(sys.argv) != 2 or sys.argv[1] not in modes:
        sys.exit(f"usage: python -m polku_{service} {' | '.join(modes)}")
    mode, settings = sys.argv[1], load(kind)
    logs.configure(service, settings.log_level)
    provider = telemetry.configure(service, settings.otlp_endpoint)
    apps = [lambda: serve(create_api(settings), settings.host, settings.port)] if mode in ("api", "all") else []
    apps += [lambda: special[mode](settings)] if mode in special else []
    workers = {service: lambda: create_worker(settings)} if mode in ("worker", "all") else {}
    uvloop.run(run(apps, workers, settings.host, settings.worker_port, on_stop))
    if provider is not None:
        provider.shutdown()


def serve(app: App, host: str, port: int, **tls: Any) -> uvicorn.Server:
    """An HTTP server that leaves signals to us and logs nothing of a request's address. tls: settings of uvicorn."""
    return _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="uvloop",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=HTTP_GRACE_S,
            **{"http": Prompt, **tls},
        )
    )


async def run(
    servers: list[Callable[[], uvicorn.Server]],
    workers: Mapping[str, Callable[[], Worker]],
    host: str,
    worker_port: int,
    on_stop: Callable[[], None] = _nothing,
) -> None:
    """Runs HTTP servers and workers in this loop until SIGTERM or SIGINT, or until one of them fails.

    on_stop: called once when stopping begins, to end what would hold a server open (live streams).
    The parts are made here, inside the loop, since a MongoDB client belongs to the loop it was first used on.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = {name: create() for name, create in workers.items()}
    listening = [create() for create in servers]
    if running:
        listening.append(serve(health_app(running), host, worker_port))
    parts = [asyncio.create_task(_until(server, stop)) for server in listening]
    parts += [asyncio.create_task(worker.run(stop)) for worker in running.values()]
    await asyncio.wait([*parts, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    on_stop()
    loop.call_later(HARD_STOP_S, _give_up)
    await asyncio.gather(*parts)


async def _until(server: uvicorn.Server, stop: asyncio.Event) -> None:
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    await serving


def _give_up() -> None:
    log.critical("did not stop in time, leaving; what was in hand will be repeated")
    os._exit(1)


class _Server(uvicorn.Server):
    """uvicorn catches signals for itself; here one place decides, for servers and workers alike."""

    def install_signal_handlers(self) -> None:
        return

    def capture_signals(self) -> Any:
        return nullcontext()
