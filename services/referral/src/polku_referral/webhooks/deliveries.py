"""Every MongoDB query about what is sent to webhooks.

A row of `deliveries`: `_id` is `<webhook>.<item>`; `order` (the referral) and `seq` say what goes before what;
`due` is when it may be sent. A row of `attempts`: one try with its outcome, without bodies.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession

from polku_referral.model.webhook import CHALLENGE, Webhook
from polku_referral.webhooks.posting import Answer
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document

DELIVERIES, ATTEMPTS = "deliveries", "attempts"
KEPT = timedelta(days=90)


class DeliveryStore:
    """Deliveries and attempts, for the API, the operator's commands and the worker alike."""

    def __init__(self, database: Database, effects: Effects) -> None:
        self.rows = database[DELIVERIES]
        self.attempts = database[ATTEMPTS]
        self.effects = effects

    async def create_indexes(self) -> None:
        waits = {"state": "waiting"}
        await self.rows.create_index(
            [("webhook_id", ASCENDING), ("due", ASCENDING), ("seq", ASCENDING)],
            name="due",
            partialFilterExpression=waits,
        )
        await self.rows.create_index(
            [("webhook_id", ASCENDING), ("order", ASCENDING), ("seq", ASCENDING)],
            name="order",
            partialFilterExpression=waits,
        )
        await self.rows.create_index([("webhook_id", ASCENDING), ("seq", ASCENDING), ("_id", ASCENDING)], name="list")
        await self.rows.create_index("done_at", name="kept", expireAfterSeconds=int(KEPT.total_seconds()))
        await self.attempts.create_index([("webhook_id", ASCENDING), ("_id", ASCENDING)], name="list")
        await self.attempts.create_index("at", name="kept", expireAfterSeconds=int(KEPT.total_seconds()))

    # -- making -------------------------------------------------------------------------------------------

    async def add(self, webhooks: Sequence[Webhook], rows: Sequence[Document], session: AsyncClientSession) -> None:
        """One delivery of each row of the feed to each webhook of its channel that wants it."""
        now = self.effects.now()
        made = [
            _delivery(webhook.id, row, now)
            for row in rows
            for webhook in webhooks
            if webhook.channel == row["channel"] and webhook.wants(row["type"])
        ]
        if made:
            await self.rows.insert_many(made, session=session)

    async def again(self, webhook: Webhook, rows: Sequence[Document]) -> None:
        """Each row of the feed once more, whatever became of it before."""
        now = self.effects.now()
        changes = []
        for row in rows:
            made = _delivery(webhook.id, row, now)
            place = {"_id": made.pop("_id")}
            changes.append(UpdateOne(place, {"$set": made, "$unset": {"done_at": "", "first_at": ""}}, upsert=True))
        if changes:
            await self.rows.bulk_write(changes, ordered=False)

    async def challenge(self, webhook_id: str, token: str) -> None:
        """Asks a webhook to prove that it wants to be one; earlier challenges are void."""
        item_id, now = self.effects.new_id(), self.effects.now()
        await self.rows.delete_many({"webhook_id": webhook_id, "type": CHALLENGE})
        row = {"_id": item_id, "seq": 0, "type": CHALLENGE, "referral_id": None}
        await self.rows.insert_one({**_delivery(webhook_id, row, now), "challenge": token})

    # -- sending ------------------------------------------------------------------------------------------

    async def due(self, webhook_id: str, busy: Sequence[str], limit: int) -> list[Document]:
        """Those whose turn it is: due, and the first of their referral that waits.

        A later event of a referral whose first has to wait is put off until then. busy: referrals in hand.
        """
        while True:
            now = self.effects.now()
            where = {**_waiting(webhook_id), "due": {"$lte": now}, "order": {"$nin": list(busy)}}
            found = self.rows.find(where, {"order": True}).sort([("due", ASCENDING), ("seq", ASCENDING)]).limit(limit)
            orders = {row["order"] async for row in found}
            if not orders:
                return []
            heads = [head for order in orders if (head := await self._head(webhook_id, order)) is not None]
            ready = [head for head in heads if head["due"] <= now]
            for head in heads:
                if head["due"] > now:
                    behind = {**_waiting(webhook_id), "order": head["order"], "due": {"$lt": head["due"]}}
                    await self.rows.update_many(behind, {"$set": {"due": head["due"]}})
            if ready:
                return sorted(ready, key=lambda row: row["seq"])

    async def _head(self, webhook_id: str, order: str) -> Document | None:
        return await self.rows.find_one({**_waiting(webhook_id), "order": order}, sort=[("seq", ASCENDING)])

    async def next_due(self, webhook_id: str, busy: Sequence[str] = ()) -> datetime | None:
        """When the next one is due, of referrals that are not in hand."""
        where = {**_waiting(webhook_id), "order": {"$nin": list(busy)}}
        row = await self.rows.find_one(where, {"due": True}, sort=[("due", ASCENDING)])
        return row["due"] if row is not None else None

    async def due_webhooks(self) -> list[str]:
        """Webhooks for which something is due."""
        # With a bound on the first field of the index, which is then read from one webhook to the next.
        where = {"webhook_id": {"$gt": ""}, "state": "waiting", "due": {"$lte": self.effects.now()}}
        return await self.rows.distinct("webhook_id", where)

    async def tried(self, delivery: Document, answer: Answer) -> None:
        """Writes an attempt down."""
        await self.attempts.insert_one(
            {
                "_id": self.effects.new_id(),
                "webhook_id": delivery["webhook_id"],
                "delivery": delivery["item_id"],
                "type": delivery["type"],
                "number": delivery["tries"] + 1,
                "at": self.effects.now(),
                "status": answer.status,
                "error": answer.error,
                "ms": answer.ms,
            }
        )

    async def done(self, delivery: Document, state: str) -> None:
        """state: delivered, or dropped. What comes after it in its referral has its turn now."""
        now = self.effects.now()
        change = {"$set": {"state": state, "done_at": now}, "$inc": {"tries": 1}}
        await self.rows.update_one(_as_it_was(delivery), change)
        behind = {**_waiting(delivery["webhook_id"]), "order": delivery["order"], "due": {"$gt": now}}
        await self.rows.update_many(behind, {"$set": {"due": now}})

    async def put_off(self, delivery: Document, first_at: datetime, until: datetime) -> None:
        """It failed, and is tried again."""
        await self.rows.update_one(
            _as_it_was(delivery), {"$set": {"due": until, "first_at": first_at}, "$inc": {"tries": 1}}
        )

    async def afresh(self, webhook_id: str) -> None:
        """All that waits begins its schedule anew."""
        now = self.effects.now()
        changes = {"$set": {"due": now, "tries": 0}, "$unset": {"first_at": ""}}
        await self.rows.update_many(_waiting(webhook_id), changes)

    async def forget(self, webhook_id: str) -> None:
        """The webhook is gone; what was done stays readable to the operator for its time."""
        await self.rows.delete_many(_waiting(webhook_id))

    # -- reading ------------------------------------------------------------------------------------------

    async def listed(self, webhook_id: str, state: str | None, after: dict[str, Any], limit: int) -> list[Document]:
        """Newest first."""
        where = {"webhook_id": webhook_id, **({"state": state} if state else {}), **after}
        return await self.rows.find(where).sort([("seq", DESCENDING), ("_id", DESCENDING)]).limit(limit).to_list()

    async def backlogs(self) -> dict[str, tuple[int, datetime]]:
        """By webhook: how many wait for their turn, and since when the oldest does. Who has none is left out."""
        steps: list[Document] = [
            {"$match": {"webhook_id": {"$gt": ""}, "state": "waiting"}},
            {"$group": {"_id": "$webhook_id", "number": {"$sum": 1}, "since": {"$min": "$made_at"}}},
        ]
        return {row["_id"]: (row["number"], row["since"]) async for row in await self.rows.aggregate(steps)}

    async def attempts_of(
        self, webhook_id: str, delivery: str | None, after: dict[str, Any], limit: int
    ) -> list[Document]:
        """Newest first."""
        where = {"webhook_id": webhook_id, **({"delivery": delivery} if delivery else {}), **after}
        return await self.attempts.find(where).sort("_id", DESCENDING).limit(limit).to_list()


def _waiting(webhook_id: str) -> Document:
    return {"webhook_id": webhook_id, "state": "waiting"}


def _as_it_was(delivery: Document) -> Document:
    """Not one that its owner asked for anew while it was being sent: that is sent again."""
    return {"_id": delivery["_id"], "made_at": delivery["made_at"], "state": "waiting"}


def _delivery(webhook_id: str, row: Document, now: datetime) -> Document:
    return {
        "_id": f"{webhook_id}.{row['_id']}",
        "webhook_id": webhook_id,
        "item_id": row["_id"],
        "order": row["referral_id"] or row["_id"],
        "seq": row["seq"],
        "type": row["type"],
        "state": "waiting",
        "due": now,
        "tries": 0,
        "made_at": now,
    }
