"""X-Road members that may come in, and what for; and those that have tried without being registered."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from polku_events.refusals import Refused, Wrong
from polku_runtime.aggregates import LostRace
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document

USE_IS_NEWS_AFTER = timedelta(minutes=1)
"""A member calls many times a minute; its last use is written once in that time."""
REMEMBERED = timedelta(days=30)
MOST_STRANGERS = 500
SHOWN_STRANGERS = 20


class Member(NamedTuple):
    """name: `FI-TEST/MUN/1234567-8/Subsystem`. client_id: by which it is known in referrals and the audit trail.

    test: it tries out its integration with artificial people, as `Client.test`. version: counts changes by people.
    used_at, refused, refused_at: how the door has met it.
    """

    name: str
    client_id: str
    organisation_id: str
    scopes: tuple[str, ...]
    test: bool = False
    active: bool = True
    version: int = 1
    used_at: datetime | None = None
    refused: int = 0
    refused_at: datetime | None = None


class Stranger(NamedTuple):
    """A subsystem that the security server let through and nobody has registered."""

    name: str
    tries: int
    tried_at: datetime


class Members:
    """The collection `xroad_clients`: plain documents, since no other service hears of them."""

    def __init__(self, database: Database, effects: Effects) -> None:
        self.rows = database["xroad_clients"]
        self.strangers_rows = database["xroad_strangers"]
        self.effects = effects

    async def create_indexes(self) -> None:
        await self.rows.create_index([("client_id", ASCENDING)], unique=True)
        await self.rows.create_index([("organisation_id", ASCENDING)])
        await self.strangers_rows.create_index("until", expireAfterSeconds=0)
        # Members had no version once.
        await self.rows.update_many({"version": {"$exists": False}}, {"$set": {"version": 1}})

    async def get(self, name: str) -> Member | None:
        return _read(await self.rows.find_one({"_id": name}))

    async def by_id(self, client_id: str) -> Member | None:
        return _read(await self.rows.find_one({"client_id": client_id}))

    async def of(self, organisation_id: str) -> list[Member]:
        """An organisation's members by name."""
        rows = self.rows.find({"organisation_id": organisation_id}).sort("_id", ASCENDING)
        return [found async for row in rows if (found := _read(row)) is not None]

    async def add(self, fresh: Member) -> Member:
        """Raises Refused for a name that is registered already."""
        said = {**fresh._asdict(), "_id": fresh.name, "scopes": list(fresh.scopes)}
        del said["name"]
        try:
            await self.rows.insert_one(said)
        except DuplicateKeyError:
            raise Refused("invalid", [Wrong("name", "member-known")]) from None
        await self.strangers_rows.delete_one({"_id": fresh.name})
        return fresh

    async def register(self, name: str, organisation_id: str, scopes: tuple[str, ...], *, test: bool) -> Member:
        """Lets a member in. Raises Refused for a name that is registered already."""
        return await self.add(Member(name, self.effects.new_id(), organisation_id, scopes, test))

    async def change(self, before: Member, **said: Any) -> Member:
        """From the next request on. said: fields of Member. Raises LostRace."""
        after = before._replace(**said, version=before.version + 1)
        fields = {name: getattr(after, name) for name in (*said, "version")}
        done = await self.rows.update_one({"_id": before.name, "version": before.version}, {"$set": fields})
        if done.matched_count == 0:
            raise LostRace(None)
        return after

    async def note_use(self, member: Member) -> None:
        now = self.effects.now()
        if member.used_at is None or now - member.used_at >= USE_IS_NEWS_AFTER:
            await self.rows.update_one({"_id": member.name}, {"$set": {"used_at": now}})

    async def note_refusal(self, name: str) -> None:
        """A member that may not come in has tried; of those that nobody has registered so many are remembered."""
        now = self.effects.now()
        tried = {"$inc": {"refused": 1}, "$set": {"refused_at": now}}
        if (await self.rows.update_one({"_id": name}, tried)).matched_count:
            return
        has_room = await self.strangers_rows.estimated_document_count() < MOST_STRANGERS
        tried = {"$inc": {"tries": 1}, "$set": {"tried_at": now, "until": now + REMEMBERED}}
        await self.strangers_rows.update_one({"_id": name}, tried, upsert=has_room)

    async def strangers(self) -> list[Stranger]:
        """Who has tried within REMEMBERED and is not registered, the latest first."""
        rows = self.strangers_rows.find({}).sort([("tried_at", DESCENDING)]).limit(SHOWN_STRANGERS)
        return [Stranger(row["_id"], row["tries"], row["tried_at"]) async for row in rows]


def _read(row: Document | None) -> Member | None:
    if row is None:
        return None
    known = {name: row[name] for name in Member._fields if name in row}
    return Member(**{**known, "name": row["_id"], "scopes": tuple(row["scopes"])})
