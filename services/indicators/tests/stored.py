"""What stands in the store, and whether it is what the records say."""

from polku_indicators.model.counting import merged
from polku_indicators.model.invariants import check_invariants

from .stories import PROGRAMME, states_of


async def dump(store):
    """Everything that figures are read from."""
    view, _ = await store.live()
    documents = await store.subjects(view).find().to_list()
    states = {document["_id"]: document["state"] for document in documents}
    counters = await store.counters.find({"view": view}).to_list()
    by_programme = {PROGRAMME: merged(c["n"] for c in counters if c["programme"] == PROGRAMME)}
    return states, by_programme, await store.positions(view), await store.facts.count_documents({})


async def check(store, rules, records):
    """The stored view is what the records say; answers its counters."""
    states, counters, positions, facts = await dump(store)
    assert states == states_of((record.event.data, record.event.version) for record in records)
    assert check_invariants(states, counters, rules) == []
    assert facts == len({record.event.id for record in records})
    for record in records:
        short = record.topic.split(".")[-2]
        assert positions[record.partition][short] > record.offset
    return counters[PROGRAMME]
