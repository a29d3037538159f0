"""Batches on a real replica set: facts, states, counters and positions move together or not at all."""

import asyncio
from collections import Counter
from random import Random

import pytest
from pymongo.errors import AutoReconnect

from polku_indicators.model.fold import subject_of
from polku_indicators.model.invariants import check_invariants
from polku_indicators.repository import batch as batch_module
from polku_indicators.repository import subjects
from polku_indicators.repository.reading import counters_of
from polku_indicators.repository.store import partition_of
from polku_runtime.outcomes import Outcome, Received
from polku_runtime.trouble import is_infrastructure

from .feeding import again
from .stored import check, dump
from .stories import ALL, PROGRAMME, history, opened, person, received, started, states_of


async def test_a_batch_moves_everything(store, apply, rules, feed):
    records = feed.add(ALL)
    assert set(await apply(records)) == {Outcome.APPLIED}
    counters = await check(store, rules, records)
    assert counters["EECO01"] == {"man": 1, "woman": 1}
    shown = await counters_of(store, PROGRAMME)
    assert shown.counters == counters
    assert shown.updated_at is not None


async def test_replaying_everything_twice_changes_nothing(store, apply, rules, feed):
    records = feed.add(ALL)
    await apply(records)
    before = await dump(store)
    for _ in range(2):
        assert set(await apply(records)) == {Outcome.DUPLICATE}
        for record in records:
            assert await apply([record]) == [Outcome.DUPLICATE]
    assert await dump(store) == before


async def test_a_duplicate_published_later_moves_the_position_alone(store, apply, rules, feed):
    [*first, last] = feed.add(person())
    await apply([*first, last])
    copy = again(last, 50)
    assert await apply([copy]) == [Outcome.DUPLICATE]
    await check(store, rules, [*first, last, copy])


async def test_a_duplicate_within_a_batch_is_one_fact(store, apply, rules, feed):
    records = feed.add(person())
    outcomes = await apply([*records, *(again(record, 90 + n) for n, record in enumerate(records))])
    assert Counter(outcomes) == {Outcome.APPLIED: 3, Outcome.DUPLICATE: 3}
    await check(store, rules, records)


@pytest.mark.parametrize("seed", range(5))
async def test_random_batches_with_redeliveries(store, apply, rules, feed, seed):
    random = Random(seed)
    topics = [feed.add(topic) for topic in history()]
    queues = [list(topic) for topic in topics]
    while any(queues):
        batch = []
        for _ in range(random.randint(1, 12)):
            queue = random.choice([queue for queue in queues if queue] or [[]])
            batch += queue[:1]
            del queue[:1]
        await apply(batch)
        if random.random() < 0.5:
            await apply(batch[: random.randint(0, len(batch))])
    await check(store, rules, feed.records)


@pytest.mark.parametrize("step", ["_insert", "fold_into", "move_counters", "_move_positions"])
async def test_a_crash_in_the_middle_leaves_nothing(store, apply, rules, feed, monkeypatch, step):
    records = feed.add(ALL)
    await apply(records[:5])
    before = await dump(store)
    fails = []

    original = getattr(batch_module, step)

    async def breaks(*given):
        await original(*given)
        fails.append(True)
        raise AutoReconnect("the primary is gone")

    with monkeypatch.context() as patched:
        patched.setattr(batch_module, step, breaks)
        with pytest.raises(BaseExceptionGroup):
            await apply(records[5:])
    assert fails
    assert await dump(store) == before
    await apply(records[5:])
    await check(store, rules, records)


async def test_two_partitions_at_once_repeat_no_transaction(store, apply, rules, feed, monkeypatch):
    people = [f"p{n}" for n in range(30)]
    attempts = []

    async def counting(*given):
        attempts.append(True)
        return await subjects.fold_into(*given)

    monkeypatch.setattr("polku_indicators.repository.batch.fold_into", counting)
    for event in (lambda n: received(n, f"r-{n}"), lambda n: opened(n, f"w-{n}"), lambda n: started(n, f"w-{n}")):
        halves = [
            feed.add((event(name), 1) for name in people if partition_of(name) % 4 in lanes)
            for lanes in ((0, 1), (2, 3))
        ]
        assert all(halves)
        await asyncio.gather(*(apply(half) for half in halves))
    # Two lanes of each of two halves, three times.
    assert len(attempts) == 12
    await check(store, rules, feed.records)


async def test_the_same_batch_by_two_workers_at_once(store, apply, rules, feed):
    """As after a rebalance, when the old owner is still at it."""
    records = feed.add(ALL)
    first, second = await asyncio.gather(apply(records), apply(records))
    fresh = [outcomes.count(Outcome.APPLIED) for outcomes in (first, second)]
    assert sum(fresh) == len(records)
    await check(store, rules, records)


async def test_a_redriven_event_counts_in_its_persons_partition(store, apply, rules, feed, settings):
    [first, second, third] = feed.add(person())
    await apply([first, third])
    redriven = Received(settings.topic("indicators.redrive"), 0, 7, second.event)
    assert await apply([redriven]) == [Outcome.APPLIED]
    states, counters, positions, _ = await dump(store)
    assert counters[PROGRAMME]["EECO01"] == {"woman": 1}
    assert check_invariants(states, counters, rules) == []
    documents = await store.counters.find().to_list()
    assert {document["partition"] for document in documents} == {partition_of("p1")}
    assert "indicators.redrive" not in str(positions)


async def test_a_record_that_the_database_cannot_hold_fails_alone(store, apply, rules, feed):
    """The runner then tries records one by one, so that only this one becomes a dead letter."""
    records = feed.add(person())
    [bad] = feed.add([(opened("p1", "w\0"), 1)])
    with pytest.raises(BaseExceptionGroup) as caught:
        await apply([*records, bad])
    assert not is_infrastructure(caught.value)
    for record in records:
        assert await apply([record]) == [Outcome.APPLIED]
    await check(store, rules, records)


async def test_topics_made_anew_and_refilled(store, apply, rules, feed):
    """After `republish` the offsets begin anew; new events must not be taken for old ones."""
    records = feed.add(person())
    await apply([again(record, 100 + n) for n, record in enumerate(records)])
    feed.offsets.clear()
    await apply([again(record, n) for n, record in enumerate(records)])
    [new] = feed.add([(opened(pathway="w7"), 1)])
    new = again(new, 10)
    assert await apply([new]) == [Outcome.APPLIED]
    view, _ = await store.live()
    assert (await store.positions(view))[new.partition]["pathway"] == 11
    assert subject_of(new.event.data) == "p1"


async def test_changed_rules_are_applied_to_the_whole_view(store, apply, rules, feed, effects):
    from dataclasses import replace

    from polku_indicators.model.rules import compile_rules
    from polku_indicators.repository.switch import prepare

    records = feed.add(person(employment_status="unemployed"))
    await apply(records)
    fewer = rules.definitions.model_copy(
        update={"figures": tuple(f for f in rules.definitions.figures if f.code in ("EECO01", "EECO09"))}
    )
    other = replace(compile_rules(fewer, rules.plans, "other"))
    await prepare(store, other, effects.now())
    counted = await counters_of(store, PROGRAMME)
    assert set(counted.counters) == {"COMPLETE", "EECO01", "EECO09"}
    assert (await store.live())[1] == "other"


def test_subjects_are_judged_only_when_something_changed(rules):
    document = subjects.new_subject("p1", 0)
    document["state"] = states_of(person())["p1"]
    assert subjects.judge_again([document], rules)
    assert not subjects.judge_again([document], rules)
