"""The door's signing keys: ES256, kept encrypted, published as a JWKS. They sign access tokens and receipts.

A new key is published at once and signs only when everybody who keeps the published keys for a while must have
fetched it. Old ones stay published: what they signed can be verified for good, unless one is retired.
"""

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from cryptography.fernet import InvalidToken
from joserfc.jwk import ECKey, KeySet
from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError

from polku_events.refusals import Refused
from polku_referral.master import MasterKey, WrongMasterKey
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document

ALGORITHM = "ES256"
OVERLAP = timedelta(minutes=10)
"""Much longer than services keep the published keys (`access.tokens.KEYS_FRESH_S`), and as long as others should."""
RELOAD_S = 3.0
"""Every process hears of a new or retired key within this time."""
FIELDS = {"kid": True, "made_at": True, "signs_from": True, "retired_at": True}


class SigningKey(NamedTuple):
    """signs_from: when it begins to sign. retired_at: since when it is not published any more."""

    kid: str
    made_at: datetime
    signs_from: datetime
    retired_at: datetime | None


class SigningKeys:
    """The newest key whose time has come signs."""

    def __init__(self, database: Database, master: MasterKey, effects: Effects) -> None:
        self.collection = database["signing_keys"]
        self.master = master
        self.effects = effects
        self._keys: list[tuple[datetime, ECKey]] = []
        self._read_at = 0.0
        self._reading = asyncio.Lock()

    async def signer(self) -> ECKey:
        """The key to sign with; makes the first one. Raises WrongMasterKey."""
        keys, now = await self._published(), self.effects.now()
        return next((key for signs_from, key in keys if signs_from <= now), keys[-1][1])

    async def published(self) -> dict[str, Any]:
        """The public halves (RFC 7517)."""
        return dict(KeySet([key for _, key in await self._published()]).as_dict(private=False))

    async def rotate(self, *, at_once: bool = False) -> SigningKey:
        """Makes and publishes a new key. at_once: it signs at once, because the old one must not any more."""
        await self.signer()
        last = await self.collection.find_one({}, sort=[("_id", DESCENDING)])
        assert last is not None
        made = self._sealed(last["_id"] + 1, timedelta() if at_once else OVERLAP)
        try:
            await self.collection.insert_one(made)
        except DuplicateKeyError:
            raise Refused("rotated-meanwhile") from None
        self._read_at = 0.0
        return _told(made)

    async def retire(self, kid: str) -> SigningKey:
        """Publishes a key no more, so that nothing it signed verifies. Raises Refused for the only one that signs."""
        known = {key.kid: key for key in await self.all()}
        if kid not in known or known[kid].retired_at is not None:
            raise Refused("unknown-key")
        now = self.effects.now()
        if not any(key.kid != kid and key.retired_at is None and key.signs_from <= now for key in known.values()):
            raise Refused("last-key")
        await self.collection.update_one({"kid": kid}, {"$set": {"retired_at": now}})
        self._read_at = 0.0
        return known[kid]._replace(retired_at=now)

    async def all(self) -> list[SigningKey]:
        """Newest first, also those that are retired."""
        return [_told(row) async for row in self.collection.find({}, FIELDS).sort("_id", DESCENDING)]

    async def _published(self) -> list[tuple[datetime, ECKey]]:
        """With the time from which each signs, newest first; read again every RELOAD_S."""
        if self._keys and time.monotonic() - self._read_at < RELOAD_S:
            return self._keys
        async with self._reading:
            if self._keys and time.monotonic() - self._read_at < RELOAD_S:
                return self._keys
            self._keys = await self._read()
            if not self._keys:
                # The first of several processes wins: _id is fixed, the others read what it wrote.
                first = self._sealed(1, timedelta())
                await self.collection.update_one({"_id": 1}, {"$setOnInsert": first}, upsert=True)
                self._keys = await self._read()
            self._read_at = time.monotonic()
            return self._keys

    async def _read(self) -> list[tuple[datetime, ECKey]]:
        rows = self.collection.find({"retired_at": {"$exists": False}}).sort("_id", DESCENDING)
        return [(_told(row).signs_from, self._open(row)) async for row in rows]

    def _sealed(self, number: int, wait: timedelta) -> Document:
        key = ECKey.generate_key("P-256", {"kid": f"polku-{number}", "use": "sig", "alg": ALGORITHM})
        now = self.effects.now()
        return {
            "_id": number,
            "made_at": now,
            "signs_from": now + wait,
            "kid": key.kid,
            "key": self.master.signing_box.encrypt(key.as_pem(private=True)),
        }

    def _open(self, row: Document) -> ECKey:
        """Raises WrongMasterKey."""
        try:
            pem = self.master.signing_box.decrypt(row["key"])
        except InvalidToken:
            raise WrongMasterKey from None
        return ECKey.import_key(pem, {"kid": row["kid"], "use": "sig", "alg": ALGORITHM})


def _told(row: Document) -> SigningKey:
    # The first keys were made before there were several.
    signs_from: datetime = row.get("signs_from") or row["made_at"]
    return SigningKey(row["kid"], row["made_at"], signs_from, row.get("retired_at"))
