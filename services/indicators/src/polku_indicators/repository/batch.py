"""A batch becomes facts, states, counters and positions in one transaction.

Whatever is repeated (a redelivery, a duplicate, a retry of the transaction) folds to the same states, so
the difference that moves the counters is nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError

from polku_indicators.model.fold import subject_of
from polku_indicators.model.rules import Rules
from polku_indicators.repository.store import LIVE, Store, fact_of, live_of, position_id
from polku_indicators.repository.subjects import Change, fold_into, move_counters
from polku_runtime.mongo import Document, transaction
from polku_runtime.outcomes import Received

DUPLICATE_KEY = 11000


@dataclass(frozen=True, slots=True)
class Item:
    """A record with the place its effects belong to. topic None: a redriven record, which moves no position."""

    received: Received
    topic: str | None
    partition: int

    def change(self) -> Change:
        event = self.received.event
        return Change(subject_of(event.data), self.partition, event.data, event.version)


class _FactsExist(Exception):
    """Some facts stand already, which ends a transaction; it is repeated looking first."""


async def apply_items(store: Store, rules: Rules, items: Sequence[Item], now: datetime) -> list[bool]:
    """Applies records in one transaction; True for each whose fact is new.

    Facts are inserted blindly, since duplicates are rare; when one is met, the transaction starts anew and
    asks which stand. Raises PyMongoError when the database cannot do it now; then nothing has changed.
    """
    try:
        return await _transaction(store, rules, items, now, look=False)
    except _FactsExist:
        return await _transaction(store, rules, items, now, look=True)


async def _transaction(store: Store, rules: Rules, items: Sequence[Item], now: datetime, *, look: bool) -> list[bool]:
    async def once(session: AsyncClientSession) -> list[bool]:
        # The pointer is read inside the transaction; a switch of views conflicts with it by the positions.
        view, _ = live_of(await store.pointers.find_one({"_id": LIVE}, session=session))
        changes = [item.change() for item in items]
        known = await _known(store, items, session) if look else set()
        fresh, facts = _facts(items, changes, known, now)
        await _insert(store, facts, session)
        moved = await fold_into(store, view, rules, changes, session)
        await move_counters(store, view, moved, now, session)
        await _move_positions(store, view, items, fresh, now, session)
        return fresh

    return await transaction(store.client, once)


async def _known(store: Store, items: Sequence[Item], session: AsyncClientSession) -> set[str]:
    ids = [item.received.event.id for item in items]
    cursor = store.facts.find({"_id": {"$in": ids}}, {"_id": True}, session=session)
    return {document["_id"] for document in await cursor.to_list()}


def _facts(
    items: Sequence[Item], changes: Sequence[Change], known: set[str], now: datetime
) -> tuple[list[bool], list[Document]]:
    fresh: list[bool] = []
    facts: list[Document] = []
    seen = set(known)
    for item, change in zip(items, changes, strict=True):
        event_id = item.received.event.id
        fresh.append(event_id not in seen)
        if fresh[-1]:
            seen.add(event_id)
            facts.append(fact_of(item.received, change.subject, now))
    return fresh, facts


async def _insert(store: Store, facts: Sequence[Document], session: AsyncClientSession) -> None:
    if not facts:
        return
    try:
        await store.facts.insert_many(facts, ordered=False, session=session)
    except BulkWriteError as error:
        if any(problem["code"] == DUPLICATE_KEY for problem in error.details.get("writeErrors", ())):
            raise _FactsExist from None
        raise


async def _move_positions(
    store: Store,
    view: int,
    items: Sequence[Item],
    fresh: Sequence[bool],
    now: datetime,
    session: AsyncClientSession,
) -> None:
    """Says how far each partition has come.

    A redelivery is behind the position and must not pull it back. But a new fact behind it says that the
    topic was made anew (and refilled from the journals): then its own offsets count.
    """
    ends: dict[int, dict[str, int]] = {item.partition: {} for item in items}
    first_new: dict[tuple[int, str], int] = {}
    for item, is_new in zip(items, fresh, strict=True):
        if item.topic is not None:
            ends[item.partition][item.topic] = item.received.offset + 1
            if is_new:
                first_new.setdefault((item.partition, item.topic), item.received.offset)
    cursor = store.progress.find(
        {"_id": {"$in": [position_id(view, partition) for partition in ends]}}, session=session
    )
    present: dict[int, dict[str, int]] = defaultdict(dict)
    present.update({document["partition"]: document["next"] for document in await cursor.to_list()})
    writes = []
    for partition, topics in ends.items():
        known = present[partition]
        reached = {
            f"next.{topic}": end
            for topic, end in topics.items()
            if end > known.get(topic, 0) or first_new.get((partition, topic), end) < min(end, known.get(topic, 0))
        }
        # `seq` makes every batch write here, so that a switch of views cannot pass beside it.
        change = {"$inc": {"seq": 1}, "$set": {"view": view, "partition": partition, "at": now, **reached}}
        writes.append(UpdateOne({"_id": position_id(view, partition)}, change, upsert=True))
    await store.progress.bulk_write(writes, ordered=False, session=session)
