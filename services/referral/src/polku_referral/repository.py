"""Every MongoDB query about persons and referrals.

A person's document: state, `lookup` (keyed hash of the identity code, or of the only referral that can find them
again), `key` (of the vault) and `sealed`, one blob per class. A referral's document: state, `sealed` notes and
texts, `content` (keyed hash of what was sent), `idempotency_key`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bson import Binary
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import OperationFailure

from polku_events import EventData
from polku_referral.inserting import insert_each, insert_whole
from polku_referral.model.clocks import OVERDUE
from polku_referral.model.person import Person
from polku_referral.model.referral import WAITING, Referral
from polku_runtime.access import Principal
from polku_runtime.aggregates import Aggregates
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document

REFERRALS = "referrals"
PERSONS = "persons"
NOT_TESTS: Mapping[str, Any] = {"$ne": True}
OLD_INDEXES = ("external_id", "idempotency_key", "organisation_id_1_state_1", "organisation_id_1_changed_at_1")
INDEX_NOT_FOUND = 27
NOBODYS: Mapping[str, Any] = {"_id": {"$in": []}}

LATE = "late"
"""Beside the states: those of which the manager was told, because nobody has answered in time."""

Scope = Mapping[str, Any]
ORDERS: Mapping[str, Sequence[tuple[str, int]]] = {
    # What must be answered first comes first; what was answered or sent last comes first.
    "received": [("answer_due", ASCENDING), ("_id", ASCENDING)],
    "other": [("_id", DESCENDING)],
}


def order_of(state: str | None) -> Sequence[tuple[str, int]]:
    """The order of the list of referrals in a state; None is the list of all."""
    return ORDERS["received" if state in ("received", LATE) else "other"]


def _standing(state: str) -> Scope:
    return {"state": {"$in": list(WAITING)}, "reminded": OVERDUE} if state == LATE else {"state": state}


def place_of(row: Referral, state: str | None) -> tuple[str, ...]:
    """The row's place in that order, for the cursor."""
    return (row.answer_due.isoformat(), row.id) if state in ("received", LATE) else (row.id,)


class Sent(NamedTuple):
    """By what a referral that was sent before is found. test: as a trial. key: Idempotency-Key."""

    organisation_id: str
    test: bool
    external_id: str
    key: str | None


@dataclass(frozen=True)
class Kept:
    """A referral with what stands beside its state. said: version → keyed hash of what made it.

    turn: as of the Submission.
    """

    referral: Referral
    content: str
    idempotency_key: str | None
    sealed: Mapping[str, Binary]
    said: Mapping[str, str] = field(default_factory=dict)
    turn: str | None = None


@dataclass(frozen=True)
class Known:
    """A person with what stands beside the state. key: of the vault."""

    person: Person
    key: Binary
    sealed: Mapping[str, Binary]


def scope_of(who: Principal, *, own: bool = False) -> Scope:
    """Which referrals a caller may see: senders their organisation's, the project's staff their programmes'.

    own: of the project's only those that are in the caller's case-load.

    Who is both is the project's here: persons and commands open by that role, so they must not reach
    what only a sender's eyes may see.
    """
    if who.kind == "staff" and who.has_role("coordinator", "manager"):
        own_only = {"coordinator_id": who.id} if own else {}
        return {"programme": {"$in": sorted(who.programmes)}, "test": NOT_TESTS, **own_only}
    if who.kind == "client" or who.has_role("referrer"):
        return sender_scope_of(who)
    return NOBODYS


def sender_scope_of(who: Principal) -> Scope:
    """The referrals that the caller's own organisation has sent, whatever else the caller is."""
    if not who.organisation_id:
        return NOBODYS
    # A machine that only tries sees what was sent to try, and nothing of real people; the others see the rest.
    return {"organisation_id": who.organisation_id, "test": True if who.test else NOT_TESTS}


def name_scope_of(who: Principal) -> Scope:
    """Whose names a caller may see. A coach meets those who were taken in, and nobody else."""
    if who.has_role("coach") and not who.has_role("coordinator", "manager"):
        taken_in = {"$in": ["accepted", "withdrawal-requested", "concluded"]}
        return {"programme": {"$in": sorted(who.programmes)}, "test": NOT_TESTS, "state": taken_in}
    return scope_of(who)


class Repository:
    """The service's documents, for API processes and the worker alike."""

    def __init__(self, database: Database, effects: Effects) -> None:
        self.database = database
        self.effects = effects
        self.referrals: Aggregates[Referral] = Aggregates(database[REFERRALS], Referral, effects)
        self.persons: Aggregates[Person] = Aggregates(database[PERSONS], Person, effects)

    async def create_indexes(self) -> None:
        """Unique indexes carry the rules: one person per identity code, one referral per sender's id and key."""
        await self.referrals.create_indexes()
        await self.persons.create_indexes()
        persons, referrals = self.database[PERSONS], self.database[REFERRALS]
        has_code = {"lookup": {"$exists": True}}
        await persons.create_index("lookup", name="lookup", unique=True, partialFilterExpression=has_code)
        await persons.create_index("case_code", name="case_code", unique=True)
        # A trial and a real referral may bear the same id and key: they never meet.
        sender = [("organisation_id", ASCENDING), ("test", ASCENDING)]
        await referrals.create_index([*sender, ("external_id", ASCENDING)], name="sent_id", unique=True)
        await referrals.create_index(
            [*sender, ("idempotency_key", ASCENDING)],
            name="sent_key",
            unique=True,
            partialFilterExpression={"idempotency_key": {"$exists": True}},
        )
        await _drop_old_indexes(self.database)
        await referrals.create_index([("programme", ASCENDING), ("state", ASCENDING), ("answer_due", ASCENDING)])
        # What a sender's referrals have become, in the order of their changes; `test` spares a look at the documents.
        changes = [("changed_at", ASCENDING), ("_id", ASCENDING), ("test", ASCENDING)]
        await referrals.create_index([("organisation_id", ASCENDING), *changes], name="sent_changes")
        await referrals.create_index(
            [("organisation_id", ASCENDING), ("state", ASCENDING), *changes], name="sent_state_changes"
        )
        await _date_changes(self.database)
        for day in ("answer_due", "sender_due"):  # by these the clock finds those whose day has come
            await referrals.create_index([("state", ASCENDING), ("reminded", ASCENDING), (day, ASCENDING)])
        await referrals.create_index([("state", ASCENDING), ("expires_on", ASCENDING)])
        await referrals.create_index([("person_id", ASCENDING)])
        taken = {"coordinator_id": {"$type": "string"}}
        await referrals.create_index([("coordinator_id", ASCENDING)], name="taken", partialFilterExpression=taken)

    # -- intake -------------------------------------------------------------------------------------------

    async def sent_before(self, wanted: Iterable[Sent]) -> list[Kept]:
        """Referrals known by the sender's id or by its key."""
        named: dict[tuple[str, bool, str], list[str]] = {}
        for organisation_id, test, external_id, key in wanted:
            named.setdefault((organisation_id, test, "external_id"), []).append(external_id)
            if key is not None:
                named.setdefault((organisation_id, test, "idempotency_key"), []).append(key)
        either: list[Document] = [
            # One from before there were trials says nothing of it, which is None for an index too.
            {"organisation_id": organisation_id, "test": True if test else {"$in": [False, None]}, name: {"$in": names}}
            for (organisation_id, test, name), names in named.items()
        ]
        return [self._kept(row) async for row in self.database[REFERRALS].find({"$or": either}, {"outbox": False})]

    async def kept(self, referral_ids: Sequence[str]) -> list[Kept]:
        rows = self.database[REFERRALS].find({"_id": {"$in": list(referral_ids)}}, {"outbox": False})
        return [self._kept(row) async for row in rows]

    async def known_persons(self, lookups: Sequence[str]) -> dict[str, Known]:
        """Persons by the keyed hash of their identity code."""
        rows = self.database[PERSONS].find({"lookup": {"$in": list(lookups)}}, {"outbox": False})
        return {row["lookup"]: self._known(row) async for row in rows}

    async def add_persons(self, rows: Sequence[Document]) -> dict[int, str]:
        """Inserts all that are new; answers the places of those that were refused, and by which index."""
        return await insert_each(self.database, PERSONS, rows)

    async def add_referrals(self, rows: Sequence[Document]) -> dict[int, str]:
        """As add_persons: what was sent before is refused by its index."""
        return await insert_each(self.database, REFERRALS, rows)

    async def add_whole(self, persons: Sequence[Document], referrals: Sequence[Document]) -> bool:
        """Inserts all or, where an index refuses one, nothing; False then."""
        return await insert_whole(self.database, {PERSONS: persons, REFERRALS: referrals})

    # -- reading ------------------------------------------------------------------------------------------

    async def get(self, referral_id: str, scope: Scope) -> Kept | None:
        row = await self.database[REFERRALS].find_one({**scope, "_id": referral_id}, {"outbox": False})
        return None if row is None else self._kept(row)

    async def listed(
        self, scope: Scope, *, state: str | None, external_id: str | None, after: Mapping[str, Any], limit: int
    ) -> list[Referral]:
        narrowed = [dict(scope), dict(after)]
        narrowed += [dict(_standing(state))] if state else []
        narrowed += [{"external_id": external_id}] if external_id else []
        return await self.referrals.find({"$and": narrowed}, sort=order_of(state), limit=limit)

    async def counts(self, scope: Scope) -> dict[str, int]:
        """How many referrals stand in each state, of those that the reader may see."""
        stages = [{"$match": dict(scope)}, {"$group": {"_id": "$state", "count": {"$sum": 1}}}]
        return {row["_id"]: row["count"] async for row in await self.database[REFERRALS].aggregate(stages)}

    async def count_late(self, scope: Scope) -> int:
        """How many of those that the reader may see were not answered in time, and still are not."""
        return await self.database[REFERRALS].count_documents({**scope, **_standing(LATE)})

    async def where(
        self, scope: Scope, filters: Sequence[Scope], order: Sequence[tuple[str, int]], limit: int
    ) -> list[Referral]:
        """Those in the scope for which all filters hold."""
        return await self.referrals.find({"$and": [scope, *filters]}, sort=order, limit=limit)

    async def count_where(self, scope: Scope, filters: Sequence[Scope]) -> int:
        return await self.database[REFERRALS].count_documents({"$and": [scope, *filters]})

    async def of_person(self, person_id: str, scope: Scope) -> list[Referral]:
        return await self.referrals.find({**scope, "person_id": person_id}, sort=[("_id", DESCENDING)], limit=50)

    async def told_of(self, person_id: str) -> list[tuple[str, Mapping[str, Binary]]]:
        """The sealed notes and corrected contact data of all of a person's referrals, by referral id."""
        wanted = {"sealed.notes": True, "sealed.contact": True}
        rows = self.database[REFERRALS].find({"person_id": person_id}, wanted).limit(200)
        return [(row["_id"], row["sealed"]) async for row in rows]

    async def persons_in(self, person_ids: Sequence[str], scope: Scope) -> list[Known]:
        """Those of the persons of whom the reader may see a referral."""
        seen = await self.database[REFERRALS].distinct("person_id", {**scope, "person_id": {"$in": list(person_ids)}})
        rows = self.database[PERSONS].find({"_id": {"$in": seen}}, {"outbox": False})
        return [self._known(row) async for row in rows]

    async def person(self, person_id: str) -> Known | None:
        row = await self.database[PERSONS].find_one({"_id": person_id}, {"outbox": False})
        return None if row is None else self._known(row)

    # -- changing -----------------------------------------------------------------------------------------

    async def save(
        self,
        before: Referral,
        after: Referral,
        events: Sequence[EventData],
        scope: Scope,
        sealed: Mapping[str, Binary] | None = None,
        said: str | None = None,
    ) -> Referral:
        """Raises LostRace. sealed: further blobs to keep beside the state. said: keyed hash of a sender's command."""
        extra: Document = {f"sealed.{name}": blob for name, blob in (sealed or {}).items()}
        if said is not None:
            extra[f"said.{after.version}"] = said
        return await self.referrals.save(before, after, events, scope=scope, extra=extra)

    def _kept(self, row: Document) -> Kept:
        referral = self.referrals.load(row)
        said, turn = row.get("said", {}), row.get("turn")
        return Kept(referral, row["content"], row.get("idempotency_key"), row["sealed"], said, turn)

    def _known(self, row: Document) -> Known:
        return Known(self.persons.load(row), Binary(bytes(row["key"]), 4), row["sealed"])


async def _date_changes(database: Database) -> None:
    """Referrals from before `changed_at` get it from their history: a search by it would pass them over."""
    # The organisation is named for the index alone: by it those without the date are found at once, or that none is.
    undated = {"organisation_id": {"$gt": ""}, "changed_at": None}
    last = {"$ifNull": [{"$last": "$history.at"}, "$received_at"]}
    await database[REFERRALS].update_many(undated, [{"$set": {"changed_at": last}}])


async def _drop_old_indexes(database: Database) -> None:
    """Those that others have replaced: in the oldest a trial and a real referral would clash."""
    for name in OLD_INDEXES:
        try:
            await database[REFERRALS].drop_index(name)
        except OperationFailure as error:
            if error.code != INDEX_NOT_FOUND:
                raise
