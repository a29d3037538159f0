"""States of persons and sessions in a view, and the counters that follow them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pymongo import InsertOne, ReplaceOne, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession

from polku_events import EventData
from polku_indicators.model.counting import Contribution, Counters, add, contributions, empty
from polku_indicators.model.fold import fold
from polku_indicators.model.rules import Rules
from polku_indicators.repository.store import Store, counter_id, increments
from polku_runtime.mongo import Document

Moved = dict[tuple[str, int], Counters]
"""Programme and partition → what its counters move by."""


class Change(NamedTuple):
    """One event on its way into a state."""

    subject: str
    partition: int
    data: EventData
    version: int


async def fold_into(
    store: Store, view: int, rules: Rules, changes: Sequence[Change], session: AsyncClientSession
) -> Moved:
    """Folds events into the subjects of a view; answers what the counters have to move by."""
    collection = store.subjects(view)
    wanted = list({change.subject for change in changes})
    cursor = collection.find({"_id": {"$in": wanted}}, session=session)
    documents: dict[str, Document] = {document["_id"]: document for document in await cursor.to_list()}
    created: set[str] = set()
    for change in changes:
        document = documents.get(change.subject)
        if document is None:
            document = documents[change.subject] = new_subject(change.subject, change.partition)
            created.add(change.subject)
        fold(document["state"], change.data, change.version)
    moved = judge_again(documents.values(), rules)
    writes: list[InsertOne[Document] | ReplaceOne[Document]] = [
        InsertOne(document) if key in created else ReplaceOne({"_id": key}, document)
        for key, document in documents.items()
    ]
    if writes:
        await collection.bulk_write(writes, ordered=False, session=session)
    return moved


def new_subject(key: str, partition: int) -> Document:
    return {"_id": key, "partition": partition, "state": {}, "adds": []}


def judge_again(documents: Iterable[Document], rules: Rules) -> Moved:
    """Renews what each subject adds, in place; answers the difference by programme and partition."""
    moved: Moved = defaultdict(empty)
    for document in documents:
        before: list[Contribution] = document["adds"]
        after = [{"programme": name, **adds} for name, adds in contributions(document["state"], rules).items()]
        if before == after:
            continue
        document["adds"] = after
        for part in before:
            add(moved[part["programme"], document["partition"]], part, -1)
        for part in after:
            add(moved[part["programme"], document["partition"]], part)
    return moved


async def move_counters(store: Store, view: int, moved: Moved, now: datetime, session: AsyncClientSession) -> None:
    writes = []
    for (programme, partition), difference in moved.items():
        steps = increments(difference)
        if steps:
            names = {"view": view, "programme": programme, "partition": partition}
            change: dict[str, Any] = {"$inc": steps, "$set": {**names, "updated_at": now}}
            writes.append(UpdateOne({"_id": counter_id(view, programme, partition)}, change, upsert=True))
    if writes:
        await store.counters.bulk_write(writes, ordered=False, session=session)
