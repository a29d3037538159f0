"""Every MongoDB query about webhooks and their keys.

A row of `webhooks`: the webhook's fields. A row of `webhook_keys`: `webhook_id`, the sealed `key`, and `until` when
it signs no more; MongoDB itself deletes it then.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.client_session import AsyncClientSession

from polku_referral.master import MasterKey
from polku_referral.model.webhook import ASIDE, OVERLAP, Cause, Fill, Webhook
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document

WEBHOOKS, KEYS, ORGANISATIONS = "webhooks", "webhook_keys", "organisations"
Scope = Mapping[str, Any]
"""`{"channel": …}` for a sender, `{}` for the operator: what is not in it is not there."""


class WebhookStore:
    """Webhooks with their keys. master: seals the keys; None for who only looks."""

    def __init__(self, database: Database, effects: Effects, master: MasterKey | None) -> None:
        self.rows = database[WEBHOOKS]
        self._organisations = database[ORGANISATIONS]
        self._keys = database[KEYS]
        self.effects = effects
        self.master = master

    async def create_indexes(self) -> None:
        await self.rows.create_index([("channel", ASCENDING), ("url", ASCENDING)], name="address", unique=True)
        await self._keys.create_index("webhook_id", name="webhook")
        await self._keys.create_index("until", name="until", expireAfterSeconds=0)

    async def add(self, webhook: Webhook, key: bytes) -> None:
        """Raises DuplicateKeyError when the sender has this address already."""
        document = webhook.model_dump(exclude={"id"}, exclude_none=True)
        await self.rows.insert_one({"_id": webhook.id, **document})
        await self._add_key(webhook.id, key)

    async def get(self, webhook_id: str, scope: Scope) -> Webhook | None:
        row = await self.rows.find_one({**scope, "_id": webhook_id})
        return None if row is None else _loaded(row)

    async def listed(self, scope: Scope) -> list[Webhook]:
        return [_loaded(row) async for row in self.rows.find(dict(scope)).sort("_id", ASCENDING)]

    async def active(self, channels: list[str], session: AsyncClientSession) -> list[Webhook]:
        rows = self.rows.find({"channel": {"$in": channels}, "state": "active"}, session=session)
        return [_loaded(row) async for row in rows]

    async def has_active_owner(self, webhook: Webhook) -> bool:
        """False when its organisation may not come in any more: then it is not told either."""
        where = {"_id": webhook.channel.partition(":")[0], "active": True}
        return await self._organisations.find_one(where, {"_id": True}) is not None

    async def resting(self) -> set[str]:
        """Those that nothing is sent to now: disabled, or left alone because they asked so."""
        where = {"$or": [{"state": "disabled"}, {"quiet_until": {"$gt": self.effects.now()}}]}
        return {row["_id"] async for row in self.rows.find(where, {"_id": True})}

    async def filling(self) -> list[str]:
        """Those for which a part of the feed is still to be sent, or sent again."""
        return [row["_id"] async for row in self.rows.find({"fill": {"$exists": True}}, {"_id": True})]

    async def remove(self, webhook_id: str) -> None:
        await self._keys.delete_many({"webhook_id": webhook_id})
        await self.rows.delete_one({"_id": webhook_id})

    async def touch(self, webhook_id: str) -> None:
        """Wakes whoever sends to it, also if it asked to be left alone: now its owner asks otherwise."""
        changes = {"$set": {"touched": self.effects.new_id()}, "$unset": {"quiet_until": ""}}
        await self.rows.update_one({"_id": webhook_id}, changes)

    async def leave_alone(self, webhook_id: str, until: datetime) -> None:
        await self.rows.update_one({"_id": webhook_id}, {"$max": {"quiet_until": until}})

    # -- states -------------------------------------------------------------------------------------------

    async def verified(self, webhook_id: str) -> None:
        changes = {"state": "active", "verified_at": self.effects.now()}
        await self.rows.update_one({"_id": webhook_id, "state": "unverified"}, {"$set": changes})

    async def disabled(self, webhook_id: str, cause: Cause, stopped: int, session: AsyncClientSession) -> bool:
        """False when it was not active any more."""
        changes = {"state": "disabled", "disabled_at": self.effects.now(), "cause": cause, "stopped": stopped}
        where = {"_id": webhook_id, "state": "active"}
        return bool((await self.rows.update_one(where, {"$set": changes}, session=session)).modified_count)

    async def enabled(self, webhook_id: str, last: int, session: AsyncClientSession) -> bool:
        """It goes on where it stopped; what came until `last` is filled in. False when it was not disabled."""
        row = await self.rows.find_one({"_id": webhook_id, "state": "disabled"}, session=session)
        if row is None:
            return False
        fill = Fill(after=min(row["stopped"], row.get("fill", {}).get("after", last)), until=last)
        gone = dict.fromkeys(("disabled_at", "cause", "stopped", "quiet_until"), "")
        changes = {"state": "active", "fill": fill.model_dump()}
        await self.rows.update_one({"_id": webhook_id}, {"$set": changes, "$unset": gone}, session=session)
        return True

    async def refill(self, webhook_id: str, fill: Fill) -> None:
        """Asks for a part of the feed to be sent again, at once."""
        widen = {
            "$min": {"fill.after": fill.after},
            "$max": {"fill.until": fill.until},
            "$unset": {"quiet_until": ""},
        }
        await self.rows.update_one({"_id": webhook_id}, widen)

    async def filled(self, webhook_id: str, part: Fill, upto: int) -> None:
        """Says how far a fill has come; one that was asked for anew meanwhile begins anew."""
        where = {"_id": webhook_id, "fill.after": part.after}
        change = {"$set": {"fill.after": upto}} if upto < part.until else {"$unset": {"fill": ""}}
        if upto >= part.until:
            where["fill.until"] = part.until
        await self.rows.update_one(where, change)

    # -- keys ---------------------------------------------------------------------------------------------

    async def keys(self, webhook_id: str) -> list[bytes]:
        """Those that sign now, newest first."""
        where = {"webhook_id": webhook_id, "$or": [{"until": None}, {"until": {"$gt": self.effects.now()}}]}
        rows = self._keys.find(where).sort("_id", DESCENDING)
        assert self.master is not None
        return [self.master.signing_box.decrypt(row["key"]) async for row in rows]

    async def has_keys(self, webhook_id: str) -> bool:
        where = {"webhook_id": webhook_id, "$or": [{"until": None}, {"until": {"$gt": self.effects.now()}}]}
        return await self._keys.find_one(where, {"_id": True}) is not None

    async def rotate(self, webhook: Webhook, key: bytes) -> datetime:
        """A new key signs from now on, the older ones beside it for a day; answers until when."""
        until = self.effects.now() + OVERLAP
        await self._keys.update_many({"webhook_id": webhook.id}, {"$min": {"until": until}})
        await self._add_key(webhook.id, key, ASIDE if webhook.state == "disabled" else None)
        return until

    async def set_keys_aside(self, webhook_id: str, session: AsyncClientSession) -> None:
        """Nobody is called with them now; after a month they are gone."""
        where, until = {"webhook_id": webhook_id, "until": None}, self.effects.now() + ASIDE
        await self._keys.update_many(where, {"$set": {"until": until}}, session=session)

    async def take_keys_up(self, webhook_id: str, session: AsyncClientSession) -> None:
        """The newest signs without an end again."""
        await self._keys.find_one_and_update(
            {"webhook_id": webhook_id}, {"$unset": {"until": ""}}, sort=[("_id", DESCENDING)], session=session
        )

    async def _add_key(self, webhook_id: str, key: bytes, kept: timedelta | None = None) -> None:
        assert self.master is not None
        row: Document = {
            "_id": self.effects.new_id(),
            "webhook_id": webhook_id,
            "key": self.master.signing_box.encrypt(key),
        }
        await self._keys.insert_one({**row, "until": self.effects.now() + kept} if kept else row)


def _loaded(row: Document) -> Webhook:
    return Webhook.model_validate({**row, "id": row["_id"]})
