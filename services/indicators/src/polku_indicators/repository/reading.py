"""What pages and machines read: counters, members of a figure, facts behind them, facts as they were known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import pymongo

from polku_indicators.model.counting import Counters, merged
from polku_indicators.repository.store import Store
from polku_runtime.mongo import Document

AS_KNOWN_S = 60.0
"""A question about the past reads every fact; the usual 5 s would cut it off in a large programme."""


@dataclass(frozen=True)
class Counted:
    """The live counters of a programme. updated_at: when one of them moved last; None when none ever did."""

    view: int
    counters: Counters
    updated_at: datetime | None


async def counters_of(store: Store, programme: str) -> Counted:
    """Sums one small document per partition."""
    view, _ = await store.live()
    documents = await store.counters.find({"view": view, "programme": programme}).to_list()
    updated = max((document["updated_at"] for document in documents), default=None)
    return Counted(view, merged(document["n"] for document in documents), updated)


async def counted_subjects(
    store: Store, programme: str, code: str, *, counted: bool, after: str, limit: int
) -> list[Document]:
    """Persons of the programme that a figure counts (or leaves out), by id, beginning after `after`."""
    view, _ = await store.live()
    field = f"counted.{code}"
    where = {
        "_id": {"$gt": after},
        "state.kind": "person",
        "adds": {"$elemMatch": {"programme": programme, field: {"$exists": counted}}},
    }
    return await store.subjects(view).find(where).sort("_id", 1).limit(limit).to_list()


async def tallied_subjects(store: Store, programme: str, tally: str, *, after: str, limit: int) -> list[Document]:
    """Persons or sessions of the programme that add to a tally, by id, beginning after `after`."""
    view, _ = await store.live()
    match = {"programme": programme, f"tallies.{tally}": {"$exists": True}}
    where = {"_id": {"$gt": after}, "adds": {"$elemMatch": match}}
    return await store.subjects(view).find(where).sort("_id", 1).limit(limit).to_list()


async def facts_of(store: Store, subjects: Sequence[str], known: datetime | None = None) -> list[Document]:
    """Facts about some persons or sessions, in the order they happened."""
    where: Document = {"subject": {"$in": list(subjects)}}
    if known is not None:
        where["recorded_at"] = {"$lte": known}
    return await store.facts.find(where).sort([("occurred_at", 1), ("_id", 1)]).to_list()


async def each_fact(store: Store, known: datetime | None, visit: Callable[[Document], None]) -> None:
    """Shows every fact that was recorded at `known` or before to `visit`, in no order."""
    where = {} if known is None else {"recorded_at": {"$lte": known}}
    with pymongo.timeout(AS_KNOWN_S):
        async for fact in store.facts.find(where, batch_size=1000):
            visit(fact)
