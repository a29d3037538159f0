"""Every MongoDB query about who may come in: organisations, machine clients, staff, links and tries to sign in."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from polku_referral.model.directory import Client, Organisation, Staff, announce_client
from polku_runtime.aggregates import Aggregates
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document

TRIES = 20
STAFF, CLIENTS = "staff", "clients"
"""The service's own lists, where every request looks, are the aggregates themselves."""
MANY = 200


class Met(NamedTuple):
    """How the door has met a client, kept beside its state. used: last use by the key's fingerprint."""

    used: Mapping[str, datetime] = {}
    refused: int = 0
    refused_at: datetime | None = None

    @property
    def used_at(self) -> datetime | None:
        return max(self.used.values(), default=None)


class Directory:
    """The directory's documents, for API processes, the worker and the command line alike."""

    def __init__(self, database: Database, effects: Effects) -> None:
        self.database = database
        self.effects = effects
        self.organisations: Aggregates[Organisation] = Aggregates(database["organisations"], Organisation, effects)
        self.staff: Aggregates[Staff] = Aggregates(database[STAFF], Staff, effects)
        self.clients: Aggregates[Client] = Aggregates(database[CLIENTS], Client, effects)
        self.links = database["links"]
        self.assertions = database["used_assertions"]
        self.tries = database["sign_in_tries"]

    async def create_indexes(self) -> None:
        await self.organisations.create_indexes()
        await self.staff.create_indexes()
        await self.clients.create_indexes()
        await self.organisations.collection.create_index("code", unique=True)
        await self.staff.collection.create_index("login", unique=True)
        await self.organisations.collection.create_index(
            "business_id", unique=True, partialFilterExpression={"business_id": {"$type": "string"}}
        )
        await self.clients.collection.create_index([("organisation_id", ASCENDING)])
        # Clients were plain documents once.
        await self.clients.collection.update_many({"version": {"$exists": False}}, {"$set": {"version": 0}})
        for collection in (self.links, self.assertions, self.tries):
            await collection.create_index("until", expireAfterSeconds=0)

    # -- organisations and their machines -----------------------------------------------------------------

    async def organisation(self, code: str) -> Organisation | None:
        found = await self.organisations.find({"code": code}, sort=[("_id", ASCENDING)], limit=1)
        return found[0] if found else None

    async def taken(self, wanted: Organisation) -> str | None:
        """The field, code or business id, that another organisation has already."""
        for field in ("code", "business_id"):
            same = {field: getattr(wanted, field), "_id": {"$ne": wanted.id}}
            if same[field] is not None and await self.organisations.find(same, sort=[("_id", ASCENDING)], limit=1):
                return field
        return None

    async def organisations_after(self, after: Mapping[str, object], limit: int) -> list[Organisation]:
        """By code."""
        return await self.organisations.find(after, sort=[("code", ASCENDING)], limit=limit)

    async def client(self, client_id: str) -> Client | None:
        return await self.clients.get(client_id)

    async def clients_of(self, organisation_id: str) -> list[Client]:
        """Oldest first."""
        return await self.clients.find({"organisation_id": organisation_id}, sort=[("_id", ASCENDING)], limit=MANY)

    async def add_client(self, client: Client) -> Client:
        return await self.clients.add(*announce_client(client))

    async def note_use(self, client_id: str, fingerprint: str) -> None:
        """A client came in by this key."""
        await self.clients.collection.update_one(
            {"_id": client_id}, {"$set": {f"used.{fingerprint}": self.effects.now()}}
        )

    async def note_refusals(self, client_id: str, count: int) -> None:
        """Somebody who said to be this client was refused; nothing happens when there is no such client."""
        change = {"$inc": {"refused": count}, "$set": {"refused_at": self.effects.now()}}
        await self.clients.collection.update_one({"_id": client_id}, change)

    async def met(self, client_ids: Iterable[str]) -> dict[str, Met]:
        """How the door has met these clients."""
        wanted = dict.fromkeys(Met._fields, True)
        rows = self.clients.collection.find({"_id": {"$in": list(client_ids)}}, wanted)
        return {row.pop("_id"): Met(**row) async for row in rows}

    async def use_assertion(self, client_id: str, jti: str, until: datetime) -> None:
        """Raises DuplicateKeyError when the assertion was used before."""
        await self.assertions.insert_one({"_id": {"client": client_id, "jti": jti}, "until": until})

    # -- people -------------------------------------------------------------------------------------------

    async def by_login(self, login: str) -> Staff | None:
        found = await self.staff.find({"login": login}, sort=[("_id", ASCENDING)], limit=1)
        return found[0] if found else None

    async def names(self, staff_ids: Iterable[str]) -> dict[str, str]:
        """Id → name of those who are or were staff; a machine's id is left out."""
        who = {"_id": {"$in": sorted(staff_ids)}}
        return {one["_id"]: one["name"] async for one in self.staff.collection.find(who, {"name": 1})}

    async def coordinators(self, programme: str) -> list[Staff]:
        """Who can take a person into the case-load, by name."""
        who = {"roles": "coordinator", "programmes": programme, "active": True}
        return await self.staff.find(who, sort=[("name", ASCENDING), ("_id", ASCENDING)], limit=200)

    async def add_link(self, token: str, staff_id: str, lasts: timedelta) -> None:
        """A one-time link; only its hash is kept, so the database does not open any door."""
        until = self.effects.now() + lasts
        await self.links.insert_one({"_id": _hash(token), "staff_id": staff_id, "until": until})

    async def link_holder(self, token: str) -> str | None:
        """The staff member that a link is for, while it lasts; the link stays."""
        found = await self.links.find_one({"_id": _hash(token), "until": {"$gt": self.effects.now()}})
        return None if found is None else str(found["staff_id"])

    async def take_link(self, token: str) -> str | None:
        """As link_holder, but the link is gone then: of two that try at once, one gets it."""
        found: Document | None = await self.links.find_one_and_delete(
            {"_id": _hash(token), "until": {"$gt": self.effects.now()}}
        )
        return None if found is None else str(found["staff_id"])

    async def count_try(self, login: str, wait_after: Callable[[int], timedelta], lasts: timedelta) -> bool:
        """Counts one more sign-in since the last success; False while the wait for an earlier one goes on.

        Of several at the same moment each is counted, so that none slips past the wait.
        """
        name = _hash(login)
        for _ in range(TRIES):
            found = await self.tries.find_one({"_id": name})
            now, count = self.effects.now(), int(found["count"]) if found else 0
            if found is not None and now < found["next_at"]:
                return False
            fresh = {"count": count + 1, "next_at": now + wait_after(count + 1), "until": now + lasts}
            try:
                done = await self.tries.update_one({"_id": name, "count": count}, {"$set": fresh}, upsert=found is None)
            except DuplicateKeyError:
                continue
            if done.matched_count or done.upserted_id is not None:
                return True
        return False

    async def forget_tries(self, login: str) -> None:
        await self.tries.delete_one({"_id": _hash(login)})


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
