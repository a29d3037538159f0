"""Rebuild from the real topics: equal to live, finds damage, is swapped in while events go on."""

import asyncio
import json

import pytest
from aiokafka import AIOKafkaProducer

from polku_indicators import cli
from polku_indicators.model.invariants import check_invariants
from polku_indicators.rebuild import rebuild
from polku_indicators.replay import HistoryMissing
from polku_indicators.repository import subjects
from polku_indicators.repository import switch as switching
from polku_indicators.repository.reading import counters_of
from polku_runtime.outcomes import Outcome, Received

from .feeding import again
from .stored import dump
from .stories import ALL, PROGRAMME, numbered, opened, person, started, states_of


async def test_rebuild_equals_live(store, kafka_settings, rules, effects, apply, publish):
    records = await publish(ALL)
    await apply(records)
    outcome = await rebuild(store, kafka_settings, rules, effects)
    assert outcome.equal
    assert outcome.records == outcome.events == len(ALL)
    assert outcome.swapped_to is None
    assert "Equal" in cli.in_words(outcome)
    assert json.loads(json.dumps(outcome.as_json()))["equal"] is True


async def test_rebuild_reads_exactly_what_live_has_seen(store, kafka_settings, rules, effects, apply, publish):
    await apply((await publish(ALL))[:20])
    await publish(person())
    outcome = await rebuild(store, kafka_settings, rules, effects)
    assert outcome.equal
    assert outcome.records == 20


async def test_nothing_heard_yet(store, kafka_settings, rules, effects):
    outcome = await rebuild(store, kafka_settings, rules, effects)
    assert outcome.equal
    assert outcome.records == 0


async def test_damage_is_found_and_left_until_asked(store, kafka_settings, rules, effects, apply, publish):
    await apply(await publish(ALL))
    right = await dump(store)
    await store.counters.update_one({"programme": PROGRAMME}, {"$inc": {"n.EECO01.woman": 1}})
    outcome = await rebuild(store, kafka_settings, rules, effects)
    assert not outcome.equal
    assert outcome.live.states == outcome.rebuilt.states
    assert outcome.live.counters != outcome.rebuilt.counters
    assert (await counters_of(store, PROGRAMME)).counters["EECO01"]["woman"] == 2
    outcome = await rebuild(store, kafka_settings, rules, effects, swap=True)
    assert outcome.swapped_to == 2
    assert await dump(store) == right
    assert (await rebuild(store, kafka_settings, rules, effects)).equal


async def test_swap_takes_along_what_came_meanwhile(store, kafka_settings, rules, effects, apply, publish, monkeypatch):
    """Events applied between reading the topics and switching are not lost, and none is counted twice."""
    await apply(await publish(ALL))
    late = await publish(numbered(opened("p9", "w9"), started("p9", "w9")))
    original = switching.write_view

    async def slow(*given):
        view = await original(*given)
        await apply(late)
        return view

    monkeypatch.setattr("polku_indicators.rebuild.write_view", slow)
    outcome = await rebuild(store, kafka_settings, rules, effects, swap=True)
    assert outcome.equal
    assert outcome.caught_up == 2
    states, counters, _, facts = await dump(store)
    assert states == states_of([*ALL, *((r.event.data, r.event.version) for r in late)])
    assert check_invariants(states, counters, rules) == []
    assert counters[PROGRAMME]["EECO01"] == {"man": 1, "woman": 2}
    assert facts == len(ALL) + 2
    # Redelivered after the switch: known, and nothing moves.
    before = await dump(store)
    await apply(late)
    assert await dump(store) == before
    assert (await rebuild(store, kafka_settings, rules, effects)).equal


@pytest.mark.parametrize("redriven", [False, True])
async def test_a_switch_in_the_middle_of_a_batch(
    store, kafka_settings, rules, effects, apply, publish, monkeypatch, redriven
):
    """The batch has read the old pointer when the switch happens: it starts over and lands in the new view."""
    [*first, last] = await publish(person())
    await apply(first)
    if redriven:
        last = Received(kafka_settings.topic("indicators.redrive"), 0, 0, last.event)
    swaps = []

    async def switched(*given):
        await subjects.move_counters(*given)
        if not swaps:
            swaps.append(await rebuild(store, kafka_settings, rules, effects, swap=True))

    monkeypatch.setattr("polku_indicators.repository.batch.move_counters", switched)
    assert await apply([last]) == [Outcome.APPLIED]
    assert [swap.swapped_to for swap in swaps] == [2]
    states, counters, _, facts = await dump(store)
    assert (await store.live())[0] == 2
    assert states == states_of(person())
    assert check_invariants(states, counters, rules) == []
    assert facts == 3


async def test_swaps_under_live_traffic(store, kafka_settings, rules, effects, apply, publish):
    people = [await publish(numbered(opened(f"p{n}", f"w{n}"), started(f"p{n}", f"w{n}"))) for n in range(60)]

    async def traffic():
        for lot in people:
            await apply(lot)
            await apply(lot[:1])

    live = asyncio.create_task(traffic())
    swaps = 0
    while not live.done():
        await rebuild(store, kafka_settings, rules, effects, swap=True)
        swaps += 1
    await live
    assert swaps > 1
    states, counters, _, _ = await dump(store)
    assert len(states) == 60
    assert check_invariants(states, counters, rules) == []
    assert (await rebuild(store, kafka_settings, rules, effects)).equal
    names = [name for name in await store.database.list_collection_names() if name.startswith("subjects_")]
    assert len(names) <= 3  # the live one, the one before, and perhaps one being left


async def test_a_record_that_nobody_can_read_is_left_out_by_both(
    store, kafka_settings, rules, effects, apply, publish, feed
):
    records = await publish(person())
    producer = AIOKafkaProducer(bootstrap_servers=kafka_settings.kafka)
    await producer.start()
    for value, headers in (
        (b"{}", [("ce_type", b"polku.pathway.opened.v1"), ("ce_aggregateversion", b"9")]),
        (b"\xff", [("ce_type", b"polku.something.else.v1")]),
        (b"", []),
    ):
        await producer.send_and_wait(records[0].topic, value, partition=records[0].partition, headers=headers)
    await producer.stop()
    more = await publish(numbered(started(education=5), start=5))
    await apply([*records, *more])
    outcome = await rebuild(store, kafka_settings, rules, effects)
    assert outcome.equal
    assert outcome.unreadable == 1
    assert "see: polku dead-letters list indicators" in cli.in_words(outcome)
    assert outcome.records == len(records) + len(more) + 3


async def test_topics_made_anew_are_read_to_their_end(store, kafka_settings, rules, effects, apply, publish):
    records = await publish(person())
    await apply([again(record, record.offset + 500) for record in records])
    outcome = await rebuild(store, kafka_settings, rules, effects)
    assert outcome.equal


async def test_a_topic_without_its_beginning_is_refused(store, kafka_settings, rules, effects, apply, publish):
    from aiokafka import TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.admin.records_to_delete import RecordsToDelete

    records = await publish(person())
    await apply(records)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_settings.kafka)
    await admin.start()
    part = TopicPartition(records[0].topic, records[0].partition)
    await admin.delete_records({part: RecordsToDelete(before_offset=1)})
    await admin.close()
    with pytest.raises(HistoryMissing):
        await rebuild(store, kafka_settings, rules, effects, swap=True)
    assert (await store.live())[0] == 1
