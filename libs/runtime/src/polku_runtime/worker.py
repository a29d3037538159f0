"""A service's worker: its relay and its runner in one task group, with health that tells of both."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pymongo.asynchronous.collection import AsyncCollection

from polku_runtime import health
from polku_runtime.effects import Effects
from polku_runtime.journal import MongoJournal
from polku_runtime.lease import Lease
from polku_runtime.metrics import Metrics
from polku_runtime.mongo import LIFETIME, LIFETIME_S, Client, Database, Document, transaction_lifetime
from polku_runtime.outcomes import Apply
from polku_runtime.publisher import KafkaPublisher
from polku_runtime.relay import Relay
from polku_runtime.runner import Runner
from polku_runtime.settings import Settings
from polku_runtime.trouble import is_infrastructure, name_of
from polku_runtime.watch import watch

POLL_S = 1.0
"""The relay looks this often even if no change stream wakes it."""
TICK_S = 1.0
STUCK_AFTER_S = 60.0
START_AGAIN_S = 1.0
READY_TIMEOUT_S = 1.5

log = logging.getLogger(__name__)
Task = Callable[[], Awaitable[None]]


class Worker:
    """Everything of one service that is not HTTP.

    outboxes: collections of aggregates. topics: services whose events this one hears. prepare: creates the
    service's own indexes. takes_tests: see Runner. tasks: further work that goes on for ever, begun once the indexes
    are there; infrastructure trouble begins it again. The MongoDB client is closed when the worker ends.
    """

    def __init__(
        self,
        *,
        service: str,
        settings: Settings,
        client: Client,
        database: Database,
        outboxes: Sequence[AsyncCollection[Document]],
        topics: Sequence[str],
        apply: Apply,
        effects: Effects,
        prepare: Callable[[], Awaitable[None]],
        metrics: Metrics | None = None,
        takes_tests: bool = False,
        tasks: Sequence[Task] = (),
    ) -> None:
        self.service = service
        self.tasks = tasks
        self.settings = settings
        self.client = client
        self.database = database
        self.metrics = metrics or Metrics()
        self.prepare = prepare
        self.journal = MongoJournal(database)
        self.publisher = KafkaPublisher(settings)
        self.lease = Lease(database, "relay", effects)
        self.relay = Relay(
            service=service,
            settings=settings,
            collections=outboxes,
            journal=self.journal,
            publisher=self.publisher,
            effects=effects,
            metrics=self.metrics,
        )
        self.runner = Runner(
            service=service,
            settings=settings,
            topics=topics,
            apply=apply,
            effects=effects,
            metrics=self.metrics,
            takes_tests=takes_tests,
        )
        self._ticked = time.monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set, then finishes the batch in hand and leaves in order."""
        tasks = [
            asyncio.create_task(self._relay()),
            asyncio.create_task(self._consume()),
            asyncio.create_task(self._tick()),
            *(asyncio.create_task(self._task(work)) for work in self.tasks),
        ]
        stopping = asyncio.create_task(stop.wait())
        try:
            # A task that ends by itself has met a bug: the process must not go on half.
            await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self.runner.stop()
            for task in (*tasks, stopping):
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await self._leave()
        for result in ended:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    async def _relay(self) -> None:
        wake = asyncio.Event()
        outboxes = [collection.name for collection in self.relay.collections]
        await self._patiently(self._indexes)
        await self._patiently(self._lifetime)
        if not outboxes:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(watch(self.database, outboxes, lambda _: wake.set()))
            group.create_task(self.relay.run(wake, self.lease.hold, POLL_S))

    async def _consume(self) -> None:
        await self._patiently(self._indexes)
        await self._patiently(self.runner.start)
        await asyncio.Event().wait()

    async def _task(self, work: Task) -> None:
        await self._patiently(self._indexes)
        while True:  # a task returns when its turn is over, and is begun again
            await self._patiently(work)

    async def _indexes(self) -> None:
        await self.journal.create_indexes()
        await self.prepare()

    async def _lifetime(self) -> None:
        seconds = await transaction_lifetime(self.client)
        if seconds is not None and seconds > LIFETIME_S:
            log.warning("who is killed holds others up for long", extra={"service": self.service, LIFETIME: seconds})

    async def _patiently(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Tries until the infrastructure answers; other errors end the worker."""
        while True:
            try:
                return await begin()
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("waiting for infrastructure", extra={"service": self.service, "error": name_of(error)})
                await asyncio.sleep(START_AGAIN_S)

    async def _tick(self) -> None:
        while True:
            self._ticked = time.monotonic()
            await asyncio.sleep(TICK_S)

    async def _leave(self) -> None:
        await self.publisher.stop()
        with contextlib.suppress(Exception):  # the lease ends by itself when MongoDB is gone
            await self.lease.release()
        await self.client.close()

    # -- health -----------------------------------------------------------------------------------------

    async def live(self) -> str | None:
        return None if time.monotonic() - self._ticked < STUCK_AFTER_S else "event loop stands"

    async def ready(self) -> str | None:
        """Database answers, consumer joined, relay not stuck."""
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self.database.command("ping")
                self.metrics.outbox_age.labels(self.service).set(await self.relay.age())
        except Exception as error:
            if not is_infrastructure(error):
                raise
            return "database does not answer"
        if self.relay.failures:
            return f"relay repeats, attempt {self.relay.failures}"
        return self.runner.ready()


def health_app(workers: Mapping[str, Worker]) -> Callable[..., Awaitable[None]]:
    """An ASGI app that answers /<service>/health/live, /<service>/health/ready and /<service>/metrics."""

    async def app(scope: Mapping[str, Any], receive: Any, send: health.Send) -> None:  # noqa: ARG001
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        worker = workers.get(path.split("/")[1])
        said = worker and await health.answer(path, live=worker.live, ready=worker.ready, metrics=worker.metrics)
        await health.respond(send, *(said or (404, "text/plain", b"")))

    return app
