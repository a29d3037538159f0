"""Reading: one batch subscriber per service over all its topics, safe by default.

FastStream polls and joins the group; acknowledging is ours (no shipped policy is safe, see
docs/decisions). Offsets are committed once per batch, after every effect and every dead letter is kept.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from faststream.kafka import KafkaBroker

from polku_events import Undecodable, UnknownType, decode
from polku_runtime import dead_letters, telemetry
from polku_runtime.breaker import Breaker
from polku_runtime.effects import Effects
from polku_runtime.membership import DRAIN_S, membership
from polku_runtime.metrics import Metrics
from polku_runtime.outcomes import Apply, Dead, Outcome, Received, Result
from polku_runtime.settings import Settings
from polku_runtime.trouble import is_infrastructure, name_of

BACKOFF_S, BACKOFF_MAX_S = 0.25, 15.0
"""Well under max_poll_interval (5 min): a waiting consumer must not lose its partitions."""
CLOSE_S = 2.0
"""For saying goodbye; with DRAIN_S and the lease's 5 s all is over well within the promised 25 s."""

log = logging.getLogger(__name__)
Record = Any
"""aiokafka's ConsumerRecord; the package has no types."""


class Runner:
    """Consumes `topics` and the group's redrive topic for one service and gives batches to `apply`.

    takes_tests: also events made for trying out an integration; without it they are skipped here, so that no
    consumer has to remember that nobody counts them.
    """

    def __init__(
        self,
        *,
        service: str,
        settings: Settings,
        topics: Sequence[str],
        apply: Apply,
        effects: Effects,
        metrics: Metrics,
        takes_tests: bool = False,
    ) -> None:
        self.service = service
        self.takes_tests = takes_tests
        self.group = settings.topic(service)
        self.topics = [settings.topic(f"{topic}.events") for topic in topics]
        self.topics.append(settings.topic(f"{service}.redrive"))
        self.apply = apply
        self.settings = settings
        self.effects = effects
        self.metrics = metrics
        self.breaker = Breaker(settings.breaker_limit)
        self.attempt = 0
        self.last_poll: float | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = asyncio.Event()
        self._broker: KafkaBroker | None = None
        self._producer: AIOKafkaProducer | None = None

    # -- life -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Joins the group. Raises a KafkaError while the broker cannot be reached; may be called again then."""
        await self._close()
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self.settings.kafka,
            acks="all",
            enable_idempotence=True,
            request_timeout_ms=10_000,
        )
        self._broker, self._subscriber = membership(self.settings, self.service, self.topics, _DrainOnRevoke(self))
        self._subscriber(self._handle)
        await self._producer.start()
        await self._broker.start()

    async def stop(self) -> None:
        """Finishes the batch in hand, commits it and leaves the group; gives up waiting after DRAIN_S."""
        self._stopping.set()
        await self._close()

    async def _close(self) -> None:
        for part, seconds in ((self._broker, DRAIN_S), (self._producer, CLOSE_S)):
            if part is None:
                continue
            try:
                await asyncio.wait_for(part.stop(), seconds)
            except Exception as error:  # noqa: BLE001 - leaving must not hang on a broker that is gone
                log.warning("could not leave Kafka in order", extra={"error": name_of(error)})
        # Not before: the batch in hand needs both until its end.
        self._broker = self._producer = None

    async def idle(self) -> None:
        """Returns when no batch is in hand."""
        await self._idle.wait()

    @property
    def consumer(self) -> Any:
        return self._subscriber.consumer if self._broker else None

    def ready(self) -> str | None:
        """None when this worker consumes; else what holds it."""
        consumer = self.consumer
        if consumer is None:
            return "not joined"
        if self.breaker.open:
            return "circuit breaker open"
        if self.attempt:
            return f"waiting for infrastructure, attempt {self.attempt}"
        if not consumer.assignment():
            return "no partitions assigned"
        return None

    # -- one batch --------------------------------------------------------------------------------------

    async def _handle(self, batch: tuple[Record, ...]) -> None:
        self._idle.clear()
        try:
            await self._batch(batch)
        except Exception as error:  # noqa: BLE001 - FastStream would swallow it and a later commit would skip the batch
            await self._repeat(batch, error)
        finally:
            self._idle.set()

    async def _batch(self, batch: tuple[Record, ...]) -> None:
        self.last_poll = asyncio.get_running_loop().time()
        if self.breaker.open:
            self._rewind(batch)
            await self._wait(BACKOFF_MAX_S)
            return
        results = self._decode(batch)
        with telemetry.consuming(self.group):
            await self._apply(results)
        kept = self.breaker.feed([isinstance(result, Dead) for _, result in results])
        done = [(record, result) for record, (_, result) in zip(batch[:kept], results, strict=False)]
        await self._bury([(record, result) for record, result in done if isinstance(result, Dead)])
        await self._commit([record for record, _ in done])
        self.attempt = 0
        self._count(done)
        if kept < len(batch):
            log.critical("too many dead records in a row: the consumer stops", extra={"group": self.group})
            self._rewind(batch[kept:])

    def _decode(self, batch: Sequence[Record]) -> list[tuple[Received | None, Result | None]]:
        results: list[tuple[Received | None, Result | None]] = []
        for record in batch:
            try:
                event = decode(record.value, record.headers)
            except UnknownType:
                results.append((None, Outcome.SKIPPED))
            except Undecodable as error:
                results.append((None, Dead(error.reason)))
            else:
                if event.test and not (self.takes_tests or event.data.FOR_ALL):
                    results.append((None, Outcome.SKIPPED))
                    continue
                if event.minor > event.data.MINOR:
                    self.metrics.newer_minor.labels(self.service, event.type).inc()
                received = Received(record.topic, record.partition, record.offset, event)
                results.append((received, None))
        return results

    async def _apply(self, results: list[tuple[Received | None, Result | None]]) -> None:
        """Fills in the results of the decoded records."""
        waiting = [(index, received) for index, (received, _) in enumerate(results) if received is not None]
        batch = [received for _, received in waiting]
        if not batch:
            return
        try:
            outcomes = await self.apply(batch)
        except Exception as error:
            if is_infrastructure(error):
                raise
            log.exception("batch failed, trying its records one by one", extra={"group": self.group})
            outcomes = [await self._apply_alone(received) for received in batch]
        for (index, received), outcome in zip(waiting, outcomes, strict=True):
            results[index] = (received, outcome)

    async def _apply_alone(self, received: Received) -> Result:
        try:
            return (await self.apply([received]))[0]
        except Exception as error:
            if is_infrastructure(error):
                raise
            return Dead("handler-error", name_of(error))

    async def _bury(self, dead: Sequence[tuple[Record, Dead]]) -> None:
        assert self._producer is not None
        topic = self.settings.topic(f"{self.service}.dlq")
        now = self.effects.now()
        for record, reason in dead:
            headers = dead_letters.to_headers(record, reason, self.group, now)
            await self._producer.send_and_wait(topic, value=record.value, key=record.key, headers=headers)
            place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            log.error("dead letter", extra={"service": self.service, **place, "reason": reason.reason})

    async def _commit(self, batch: Sequence[Record]) -> None:
        offsets = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in batch}
        owned = self.consumer.assignment()
        try:
            await self.consumer.commit({part: offset for part, offset in offsets.items() if part in owned})
        except (
            CommitFailedError,
            IllegalGenerationError,
            RebalanceInProgressError,
            UnknownMemberIdError,
        ) as error:
            # The next owner repeats the batch; effects are guarded, so nothing happens twice.
            self.metrics.commit_errors.labels(self.service).inc()
            log.warning("commit refused after a rebalance", extra={"error": name_of(error)})

    async def _repeat(self, batch: Sequence[Record], error: Exception) -> None:
        self.attempt += 1
        level = logging.WARNING if is_infrastructure(error) else logging.ERROR
        log.log(
            level,
            "batch will be repeated",
            exc_info=error,
            extra={"attempt": self.attempt, "group": self.group},
        )
        self.metrics.records.labels(self.service, "retry").inc(len(batch))
        self._rewind(batch)
        pause = min(BACKOFF_S * 2 ** min(self.attempt - 1, 10), BACKOFF_MAX_S)
        await self._wait(pause * self.effects.random.uniform(0.5, 1.0))

    def _rewind(self, batch: Sequence[Record]) -> None:
        first: dict[TopicPartition, int] = {}
        for record in batch:
            first.setdefault(TopicPartition(record.topic, record.partition), record.offset)
        for part in self.consumer.assignment() & first.keys():
            self.consumer.seek(part, first[part])

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def _count(self, done: Sequence[tuple[Record, Result | None]]) -> None:
        for _, result in done:
            outcome = "dead" if isinstance(result, Dead) else result.value if result else "skipped"
            self.metrics.records.labels(self.service, outcome).inc()


class _DrainOnRevoke(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Finishes the batch in hand before its partitions leave, so that a rebalance seldom repeats work."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        if revoked:
            self.runner.metrics.rebalances.labels(self.runner.service).inc()
        try:
            await asyncio.wait_for(self.runner.idle(), DRAIN_S)
        except TimeoutError:
            log.warning("batch not finished before its partitions left", extra={"group": self.runner.group})

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Nothing to prepare: positions are the committed offsets."""
