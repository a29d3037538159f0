"""The door's signing keys: ES256, kept encrypted, published as a JWKS. They sign access tokens and receipts."""

from typing import Any

from cryptography.fernet import InvalidToken
from joserfc.jwk import ECKey, KeySet
from pymongo import DESCENDING

from polku_referral.master import MasterKey, WrongMasterKey
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document

ALGORITHM = "ES256"


class SigningKeys:
    """The newest key signs; older ones stay published, so that what they signed can be verified."""

    def __init__(self, database: Database, master: MasterKey, effects: Effects) -> None:
        self.collection = database["signing_keys"]
        self.master = master
        self.effects = effects
        self._keys: list[ECKey] = []

    async def newest(self) -> ECKey:
        """The key to sign with; makes the first one."""
        if not self._keys:
            self._keys = [self._open(row) async for row in self.collection.find({}).sort("_id", DESCENDING)]
        if not self._keys:
            # The first of several processes wins: _id is fixed, the others read what it wrote.
            await self.collection.update_one({"_id": 1}, {"$setOnInsert": self._sealed(1)}, upsert=True)
            return await self.newest()
        return self._keys[0]

    async def published(self) -> dict[str, Any]:
        """The public halves (RFC 7517)."""
        await self.newest()
        return dict(KeySet(list(self._keys)).as_dict(private=False))

    def _sealed(self, number: int) -> Document:
        key = ECKey.generate_key("P-256", {"kid": f"polku-{number}", "use": "sig", "alg": ALGORITHM})
        return {
            "made_at": self.effects.now(),
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
