"""The five outcomes on real Kafka: nothing lost, nothing stuck, nothing done that was not kept."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from polku_events import encode
from polku_runtime.dead_letters import DeadLetters, read_topic
from polku_runtime.effects import Effects
from polku_runtime.metrics import Metrics
from polku_runtime.mongo import Client, database
from polku_runtime.outcomes import Apply, Dead, Outcome, Received, Result
from polku_runtime.runner import Runner
from polku_runtime.settings import Settings

from .events import stage_changed

Write = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]


def good(version: int, person: str = "p1") -> Write:
    record = encode(stage_changed(version, person))
    return record.key, record.value, list(record.headers)


class Sink:
    """Remembers what was applied; does what `rule` says."""

    def __init__(self, rule: Callable[[Received], Result] = lambda _: Outcome.APPLIED) -> None:
        self.rule = rule
        self.seen: list[int] = []
        self.trouble: list[Exception] = []

    async def __call__(self, batch: Sequence[Received]) -> Sequence[Result]:
        if self.trouble:
            raise self.trouble.pop(0)
        self.seen += [received.event.version for received in batch]
        return [self.rule(received) for received in batch]


@pytest.fixture
def kafka_settings(kafka_environment: dict[str, object]) -> Settings:
    return Settings.model_validate({**kafka_environment, "breaker_limit": 5, "batch_records": 50})


async def write(settings: Settings, records: Sequence[Write], topic: str = "pathway.events") -> None:
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka, acks="all") as producer:
        for key, value, headers in records:
            await producer.send_and_wait(settings.topic(topic), value=value, key=key, headers=headers)


@asynccontextmanager
async def consuming(settings: Settings, apply: Apply, effects: Effects) -> AsyncIterator[Runner]:
    runner = Runner(
        service="indicators", settings=settings, topics=["pathway"], apply=apply, effects=effects, metrics=Metrics()
    )
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def lag(settings: Settings) -> int:
    """Records that the group has not committed."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka, group_id=settings.topic("indicators"), enable_auto_commit=False
    )
    await consumer.start()
    try:
        parts = [TopicPartition(settings.topic("pathway.events"), number) for number in range(12)]
        ends = await consumer.end_offsets(parts)
        return sum([ends[part] - (await consumer.committed(part) or 0) for part in parts])
    finally:
        await consumer.stop()


def counted(runner: Runner, outcome: str) -> float:
    return runner.metrics.records.labels("indicators", outcome)._value.get()


async def test_all_is_applied_in_order_and_committed(kafka_settings: Settings, effects: Effects) -> None:
    sink = Sink()
    await write(kafka_settings, [good(version) for version in range(1, 101)])
    async with consuming(kafka_settings, sink, effects) as runner:
        await until(lambda: len(sink.seen) == 100)
        await until(lambda: counted(runner, "applied") == 100)
        assert runner.ready() is None
    assert sink.seen == list(range(1, 101))
    assert await lag(kafka_settings) == 0


POISON: dict[str, tuple[Write, str]] = {
    "not json": ((b"p1", b"{", good(1)[2]), "not-json"),
    "wrong data": ((b"p1", b'{"pathway_id": 7}', good(1)[2]), "invalid-data"),
    "tombstone": ((b"p1", None, good(1)[2]), "no-body"),
    "missing header": ((b"p1", good(1)[1], [h for h in good(1)[2] if h[0] != "ce_id"]), "missing-header"),
    "binary header": ((b"p1", good(1)[1], [h for h in good(1)[2] if h[0] != "ce_id"] + [("ce_id", b"\xff\xfe")]), "bad-header"),
    "null header": ((b"p1", good(1)[1], [h for h in good(1)[2] if h[0] != "ce_id"] + [("ce_id", None)]), "missing-header"),
    "another codec": (
        (b"p1", good(1)[1], [h for h in good(1)[2] if h[0] != "content-type"] + [("content-type", b"application/avro")]),
        "wrong-content-type",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", POISON)
async def test_a_poison_record_is_parked_with_its_reason_and_the_others_go_on(
    name: str, kafka_settings: Settings, effects: Effects, mongo_client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    poison, reason = POISON[name]
    sink = Sink()
    await write(kafka_settings, [good(1), poison, good(2)])
    async with consuming(kafka_settings, sink, effects) as runner:
        await until(lambda: sink.seen == [1, 2])
        await until(lambda: counted(runner, "dead") == 1)
    assert await lag(kafka_settings) == 0
    letters = DeadLetters(kafka_settings, "indicators", database(mongo_client, kafka_settings, "indicators"), effects)
    [letter] = await letters.list()
    assert letter.reason == reason
    (line,) = [vars(record) for record in caplog.records if record.msg == "dead letter"]
    assert f"{line['topic']} {line['partition']} {line['offset']}" == letter.origin
    assert (line["service"], line["reason"]) == ("indicators", reason)
    shown = await letters.show(letter.id)
    assert shown is not None
    assert (shown[1].key, shown[1].value) == poison[:2]


async def test_an_unknown_type_and_a_newer_minor_do_no_harm(kafka_settings: Settings, effects: Effects) -> None:
    key, value, headers = good(1)
    unknown = (key, value, [h if h[0] != "ce_type" else ("ce_type", b"polku.pathway.dreamt-of.v1") for h in headers])
    newer = (
        key,
        value[:-1] + b', "not_known_yet": 1}',
        [h if h[0] != "ce_dataschema" else (h[0], h[1].rsplit(b".", 1)[0] + b".99") for h in headers],
    )
    sink = Sink()
    await write(kafka_settings, [unknown, newer])
    async with consuming(kafka_settings, sink, effects) as runner:
        await until(lambda: counted(runner, "skipped") == 1 and counted(runner, "applied") == 1)
        assert runner.metrics.newer_minor.labels("indicators", stage_changed(1).type)._value.get() == 1


async def test_infrastructure_trouble_waits_and_repeats_and_makes_no_dead_letter(
    kafka_settings: Settings, effects: Effects
) -> None:
    sink = Sink()
    sink.trouble = [ConnectionError(), TimeoutError()]
    await write(kafka_settings, [good(1)])
    async with consuming(kafka_settings, sink, effects) as runner:
        await until(lambda: runner.attempt > 0)
        assert "attempt" in (runner.ready() or "")
        await until(lambda: sink.seen == [1])
        await until(lambda: runner.ready() is None)
        assert counted(runner, "dead") == 0
    assert await lag(kafka_settings) == 0


async def test_a_bug_on_one_record_of_a_batch_parks_that_one_alone(kafka_settings: Settings, effects: Effects) -> None:
    applied: list[int] = []

    async def buggy(batch: Sequence[Received]) -> Sequence[Result]:
        if any(received.event.version == 2 for received in batch):
            raise KeyError("a bug")
        applied.extend(received.event.version for received in batch)
        return [Outcome.APPLIED] * len(batch)

    await write(kafka_settings, [good(version) for version in (1, 2, 3)])
    async with consuming(kafka_settings, buggy, effects) as runner:
        await until(lambda: counted(runner, "dead") == 1)
    assert sorted(set(applied)) == [1, 3]


async def test_too_many_dead_in_a_row_stop_the_consumer_and_keep_the_rest(
    kafka_settings: Settings, effects: Effects
) -> None:
    await write(kafka_settings, [good(version) for version in range(1, 31)])
    async with consuming(kafka_settings, Sink(lambda _: Dead("refused")), effects) as runner:
        await until(lambda: runner.breaker.open)
        await asyncio.sleep(0.3)
        assert runner.ready() == "circuit breaker open"
    assert await lag(kafka_settings) == 25
    healthy = Sink()
    async with consuming(kafka_settings, healthy, effects):
        await until(lambda: len(healthy.seen) == 25)
    assert healthy.seen == list(range(6, 31))


async def test_a_redriven_letter_comes_back_through_the_own_topic_alone(
    kafka_settings: Settings, effects: Effects, mongo_client: Client
) -> None:
    broken = True
    sink = Sink(lambda received: Dead("refused") if broken and received.event.version == 2 else Outcome.APPLIED)
    letters = DeadLetters(kafka_settings, "indicators", database(mongo_client, kafka_settings, "indicators"), effects)
    await write(kafka_settings, [good(1), good(2), good(3)])
    async with consuming(kafka_settings, sink, effects) as runner:
        await until(lambda: counted(runner, "dead") == 1)
        broken = False
        assert await letters.redrive() == 1
        await until(lambda: sink.seen == [1, 2, 3, 2])
    assert await letters.list() == []
    assert await letters.redrive() == 0
    [record] = [r async for r in read_topic(kafka_settings.kafka, kafka_settings.topic("indicators.redrive"))]
    assert record.value == good(2)[1]


async def test_what_was_applied_but_not_committed_is_delivered_again(
    kafka_settings: Settings, effects: Effects
) -> None:
    """A worker that dies between effect and commit: the record comes again, so effects must be guarded."""
    first = Sink()
    await write(kafka_settings, [good(1)])
    async with consuming(kafka_settings, first, effects) as runner:

        async def die(*_: object) -> None:
            raise ConnectionError

        runner._commit = die
        await until(lambda: len(first.seen) >= 2)
    assert await lag(kafka_settings) == 1
    second = Sink()
    async with consuming(kafka_settings, second, effects):
        await until(lambda: second.seen == [1])
    assert await lag(kafka_settings) == 0


async def test_two_workers_share_the_partitions_and_a_leaving_one_loses_nothing(
    kafka_settings: Settings, effects: Effects
) -> None:
    sink = Sink()
    people = [f"p{number}" for number in range(40)]
    async with consuming(kafka_settings, sink, effects) as first:
        await until(lambda: first.ready() is None)
        async with consuming(kafka_settings, sink, effects) as second:
            await until(lambda: len(first.consumer.assignment()) < 36 and second.ready() is None, seconds=40)
            await write(kafka_settings, [good(1, person) for person in people])
            await until(lambda: len(sink.seen) >= 40)
        await write(kafka_settings, [good(2, person) for person in people])
        await until(lambda: sink.seen.count(2) >= 40, seconds=40)
    assert await lag(kafka_settings) == 0


async def test_a_stop_finishes_the_batch_in_hand_and_commits_it(kafka_settings: Settings, effects: Effects) -> None:
    begun, seen = asyncio.Event(), []

    async def slowly(batch: Sequence[Received]) -> Sequence[Result]:
        begun.set()
        await asyncio.sleep(0.5)
        seen.extend(received.event.version for received in batch)
        return [Outcome.APPLIED] * len(batch)

    await write(kafka_settings, [good(version) for version in range(1, 11)])
    async with consuming(kafka_settings, slowly, effects):
        await asyncio.wait_for(begun.wait(), 20)
    assert await lag(kafka_settings) == 10 - len(seen)
    assert seen
