"""Every MongoDB query about the senders' feeds.

A row of `feed`: `_id` (of the event), `channel`, `seq`, `recorded_at` and the item's fields. A document of
`feed_counters`: the last `seq` of a channel. The counter is written in the transaction that inserts rows, so
whoever adds to the same feed at the same moment waits for it or begins again: a lower `seq` is never seen later.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.asynchronous.client_session import AsyncClientSession

from polku_referral.model.telling import About, Item
from polku_referral.repository import REFERRALS
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document, transaction

FEED, COUNTERS = "feed", "feed_counters"
KEPT = timedelta(days=400)
"""Longer than a year, so that a yearly reconciliation finds its beginning."""

Also = Callable[[AsyncClientSession, Sequence[Document]], Awaitable[None]]
"""What else is written in the transaction, told the new rows."""


async def nothing_else(session: AsyncClientSession, rows: Sequence[Document]) -> None:
    del session, rows


class FeedStore:
    """The feeds of all senders, for API processes and the worker alike."""

    def __init__(self, database: Database, effects: Effects) -> None:
        self.database = database
        self.effects = effects
        self.rows = database[FEED]
        self.counters = database[COUNTERS]
        self._counted: set[str] = set()

    async def create_indexes(self) -> None:
        await self.rows.create_index([("channel", ASCENDING), ("seq", ASCENDING)], name="place", unique=True)
        await self.rows.create_index([(name, ASCENDING) for name in ("channel", "recorded_at", "seq")], name="time")
        await self.rows.create_index("recorded_at", name="kept", expireAfterSeconds=int(KEPT.total_seconds()))

    async def about(self, referral_ids: Iterable[str]) -> Mapping[str, About]:
        """What the feed must know of referrals, by id; those that are not there are left out."""
        fields = dict.fromkeys(("organisation_id", "external_id", "test", "history.kind"), True)
        rows = self.database[REFERRALS].find({"_id": {"$in": list(referral_ids)}}, fields)
        return {
            row["_id"]: About(
                organisation_id=row["organisation_id"],
                external_id=row["external_id"],
                test=row.get("test", False),
                kinds=[step["kind"] for step in row["history"]],
            )
            async for row in rows
        }

    # -- adding -------------------------------------------------------------------------------------------

    async def append(self, items: Sequence[Item], also: Also = nothing_else) -> list[bool]:
        """Adds items in their order, all or none; True for each that is new. Raises PyMongoError."""
        for channel in {item.channel for item in items} - self._counted:
            await self.counters.update_one({"_id": channel}, {"$setOnInsert": {"seq": 0}}, upsert=True)
            self._counted.add(channel)

        async def once(session: AsyncClientSession) -> list[bool]:
            return await self.append_within(session, items, also)

        return await transaction(self.database.client, once)

    async def append_within(
        self, session: AsyncClientSession, items: Sequence[Item], also: Also = nothing_else
    ) -> list[bool]:
        """As `append`, as a part of the caller's transaction; the counters are there."""
        known = self.rows.find({"_id": {"$in": [item.id for item in items]}}, {"_id": True}, session=session)
        seen = {row["_id"] async for row in known}
        fresh: list[bool] = []
        by_channel: dict[str, list[Item]] = {}
        for item in items:
            fresh.append(item.id not in seen)
            if fresh[-1]:
                seen.add(item.id)
                by_channel.setdefault(item.channel, []).append(item)
        now, rows = self.effects.now(), []
        for channel, added in sorted(by_channel.items()):
            last = await self.take(session, channel, len(added))
            rows += [_row(item, seq, now) for seq, item in enumerate(added, start=last - len(added) + 1)]
        if rows:
            await self.rows.insert_many(rows, session=session)
            await also(session, rows)
        return fresh

    async def take(self, session: AsyncClientSession, channel: str, count: int) -> int:
        """Takes `count` numbers (none only locks the channel until the transaction ends); the last one taken."""
        counter = await self.counters.find_one_and_update(
            {"_id": channel},
            {"$inc": {"seq": count}, "$set": {"touched": self.effects.new_id()}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        assert counter is not None  # the update makes it
        last: int = counter["seq"]
        return last

    # -- reading ------------------------------------------------------------------------------------------

    async def page(self, channel: str, after: int, limit: int) -> list[Document]:
        """Rows after a place, in order; the cost does not depend on the place."""
        where = {"channel": channel, "seq": {"$gt": after}}
        return await self.rows.find(where).sort("seq", ASCENDING).limit(limit).to_list()

    async def row(self, item_id: str) -> Document | None:
        return await self.rows.find_one({"_id": item_id})

    async def last(self, channel: str) -> int:
        """The place of the newest row, 0 before the first."""
        counter = await self.counters.find_one({"_id": channel})
        return counter["seq"] if counter is not None else 0

    async def before(self, channel: str, at: datetime) -> int:
        """The place after which everything was told since an instant."""
        where = {"channel": channel, "recorded_at": {"$lt": at}}
        rows = await self.rows.find(where).sort([("recorded_at", DESCENDING), ("seq", DESCENDING)]).limit(1).to_list()
        return rows[0]["seq"] if rows else 0


def _row(item: Item, seq: int, now: datetime) -> Document:
    told = item._asdict()
    return {"_id": told.pop("id"), "seq": seq, "recorded_at": now, **told}
