"""Views beside the live one: making them, judging them again, and switching the pointer."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import pymongo
from pymongo import UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import CollectionInvalid, OperationFailure

from polku_events import EVENT_TYPES
from polku_indicators.model.rules import Rules
from polku_indicators.repository.store import (
    FIRST_VIEW,
    LIVE,
    PARTITIONS,
    Store,
    Topics,
    chunks,
    counter_id,
    live_of,
    position_id,
)
from polku_indicators.repository.subjects import Change, Moved, fold_into, judge_again, move_counters
from polku_runtime.mongo import Document, transaction

LONG_S = 300.0
"""For what reads everything; the usual 5 s are for pages and batches."""
CHUNK = 1000
NAMESPACE_EXISTS = 48

Positions = Mapping[int, Mapping[str, int]]


async def prepare(store: Store, rules: Rules, now: datetime) -> None:
    """Makes what a worker expects to stand, and judges the live view again when the rules have changed."""
    await store.create_indexes()
    await _first(store, LIVE, {"view": FIRST_VIEW, "rules": rules.fingerprint})
    await _first(store, "numbers", {"last": FIRST_VIEW})
    view, judged_by = await store.live()
    await _positions_stand(store, view)
    await _stand(store, store.subjects(view).name, store.counters.name)
    if judged_by != rules.fingerprint:
        await _judge_view(store, view, rules, now)
        await store.pointers.update_one({"_id": LIVE, "view": view}, {"$set": {"rules": rules.fingerprint}})


async def _stand(store: Store, *names: str) -> None:
    """Makes collections that do not stand yet: made inside a first transaction, they would abort others."""
    present = await store.database.list_collection_names()
    for name in names:
        if name not in present:
            try:
                await store.database.create_collection(name)
            except (CollectionInvalid, OperationFailure) as error:
                if isinstance(error, OperationFailure) and error.code != NAMESPACE_EXISTS:
                    raise
                continue  # another worker was faster


async def _first(store: Store, key: str, content: Document) -> None:
    await store.pointers.update_one({"_id": key}, {"$setOnInsert": content}, upsert=True)


async def _positions_stand(store: Store, view: int, positions: Positions | None = None) -> None:
    """Every partition has its document, or a switch could not conflict with a partition's first batch."""
    writes = [
        UpdateOne(
            {"_id": position_id(view, partition)},
            {
                "$setOnInsert": {
                    "view": view,
                    "partition": partition,
                    "next": dict((positions or {}).get(partition, {})),
                    "seq": 0,
                }
            },
            upsert=True,
        )
        for partition in range(PARTITIONS)
    ]
    await store.progress.bulk_write(writes, ordered=False)


async def _judge_view(store: Store, view: int, rules: Rules, now: datetime) -> None:
    collection = store.subjects(view)
    with pymongo.timeout(LONG_S):
        keys = [document["_id"] async for document in collection.find({}, {"_id": True})]
    for part in chunks(keys, CHUNK):

        async def once(session: AsyncClientSession, part: Sequence[str] = part) -> None:
            documents = await collection.find({"_id": {"$in": list(part)}}, session=session).to_list()
            moved = judge_again(documents, rules)
            if documents:
                writes = [UpdateOne({"_id": d["_id"]}, {"$set": {"adds": d["adds"]}}) for d in documents]
                await collection.bulk_write(writes, ordered=False, session=session)
            await move_counters(store, view, moved, now, session)

        await transaction(store.client, once)


@asynccontextmanager
async def snapshot(store: Store) -> AsyncIterator[AsyncClientSession]:
    """Reads inside see one moment, however long they take (MongoDB keeps five minutes of history)."""
    async with store.client.start_session(snapshot=True) as session:
        with pymongo.timeout(LONG_S):
            yield session


async def write_view(
    store: Store, subjects: Sequence[Document], moved: Moved, positions: Positions, now: datetime
) -> int:
    """Writes a whole new view that nobody reads yet; answers its number."""
    numbers = await store.pointers.find_one_and_update(
        {"_id": "numbers"}, {"$inc": {"last": 1}}, upsert=True, return_document=pymongo.ReturnDocument.AFTER
    )
    assert numbers is not None
    view: int = max(numbers["last"], FIRST_VIEW + 1)
    await _stand(store, store.subjects(view).name)
    with pymongo.timeout(LONG_S):
        for part in chunks(subjects, CHUNK):
            await store.subjects(view).insert_many(part, ordered=False)
        counters = [
            {
                "_id": counter_id(view, programme, partition),
                "view": view,
                "programme": programme,
                "partition": partition,
                "n": {code: dict(genders) for code, genders in difference.items()},
                "updated_at": now,
            }
            for (programme, partition), difference in moved.items()
        ]
        if counters:
            await store.counters.insert_many(counters, ordered=False)
        await _positions_stand(store, view, positions)
    return view


async def switch(store: Store, new: int, rules: Rules, topics: Topics, now: datetime) -> int:
    """Makes `new` the live view, in one transaction; answers how many facts it caught up on.

    What the live view took in since the new one was read stands in the facts, so it is folded from there and
    no partition has to be read again. Touching the old view's positions makes a batch that is being applied
    conflict: it or this starts over, and a batch that starts over finds the new pointer.
    """

    async def once(session: AsyncClientSession) -> int:
        old, _ = live_of(await store.pointers.find_one({"_id": LIVE}, session=session))
        await store.progress.update_many({"view": old}, {"$inc": {"seq": 1}}, session=session)
        reached = await store.positions(old, session)
        behind = await store.positions(new, session)
        changes = await _facts_beyond(store, behind, topics, session)
        for part in chunks(changes, CHUNK):
            moved = await fold_into(store, new, rules, part, session)
            await move_counters(store, new, moved, now, session)
        for partition, known in reached.items():
            await store.progress.update_one(
                {"_id": position_id(new, partition)}, {"$set": {"next": known, "at": now}}, session=session
            )
        pointer = {"_id": LIVE, "view": new, "rules": rules.fingerprint}
        await store.pointers.replace_one({"_id": LIVE}, pointer, upsert=True, session=session)
        return len(changes)

    with pymongo.timeout(LONG_S):
        caught_up = await transaction(store.client, once)
        await _drop_before(store, new)
    return caught_up


async def _facts_beyond(
    store: Store, positions: Positions, topics: Topics, session: AsyncClientSession
) -> list[Change]:
    """Events that a view at `positions` has not folded. Redriven ones are taken in any case: folding is idempotent."""
    beyond: list[Document] = [{"topic": {"$nin": list(topics.short)}}]
    for full, short in topics.short.items():
        for partition in range(PARTITIONS):
            start = positions.get(partition, {}).get(short, 0)
            beyond.append({"topic": full, "partition": partition, "offset": {"$gte": start}})
    cursor = store.facts.find({"$or": beyond}, session=session)
    return [change_of(fact, topics) async for fact in cursor]


def change_of(fact: Document, topics: Topics) -> Change:
    """A fact back as an event on its way into a state."""
    data = EVENT_TYPES[fact["type"]].model_validate(fact["data"], strict=False)
    partition = topics.partition(fact["topic"], fact["partition"], data.partition_key)
    return Change(fact["subject"], partition, data, fact["version"])


async def _drop_before(store: Store, live: int) -> None:
    """Drops the views older than the one before: its readers may still be at it."""
    views = [n for n in await store.progress.distinct("view") if n < live]
    for view in sorted(views)[:-1]:
        await store.subjects(view).drop()
        await store.counters.delete_many({"view": view})
        await store.progress.delete_many({"view": view})
