"""One active holder per name, by a document with an end time.

An optimisation, never a guard: two holders at once (a paused process, a clock that jumped) only publish
duplicates, which every consumer absorbs.
"""

from datetime import timedelta

from pymongo.errors import DuplicateKeyError

from polku_runtime.effects import Effects
from polku_runtime.mongo import Database

LEASE_S = 5.0
RENEW_S = 1.5


class Lease:
    def __init__(self, database: Database, name: str, effects: Effects) -> None:
        self.collection = database["leases"]
        self.name = name
        self.effects = effects
        self.holder = effects.new_id()
        self._renew_at = effects.now()
        self._held = False

    async def hold(self) -> bool:
        """True when this process holds the lease; asks MongoDB at most every RENEW_S."""
        now = self.effects.now()
        if self._held and now < self._renew_at:
            return True
        try:
            await self.collection.update_one(
                {"_id": self.name, "$or": [{"holder": self.holder}, {"until": {"$lt": now}}]},
                {"$set": {"holder": self.holder, "until": now + timedelta(seconds=LEASE_S)}},
                upsert=True,
            )
        except DuplicateKeyError:
            self._held = False
            return False
        self._held = True
        self._renew_at = now + timedelta(seconds=RENEW_S)
        return True

    async def release(self) -> None:
        """Lets the next holder in at once."""
        await self.collection.delete_one({"_id": self.name, "holder": self.holder})
        self._held = False
