"""The vault: what is personal, encrypted under one data key per person (MongoDB client-side field-level
encryption, explicit, random algorithm). Destroying the key makes all of a person's data unreadable.

The ciphertext itself is not bound to where it stands, so every blob says whose and what it is, and that is
checked when it is opened.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any

from bson import Binary
from pymongo import AsyncMongoClient
from pymongo.asynchronous.encryption import AsyncClientEncryption
from pymongo.encryption_shared import Algorithm
from pymongo.errors import EncryptionError

from polku_referral.master import MasterKey
from polku_runtime.mongo import CODEC, Document
from polku_runtime.trouble import is_infrastructure, name_of
from polku_runtime.waking import heed_cancellation, pause

FILL_AGAIN_S, END_S = 1.0, 1.0
CIPHERTEXT, UUID_SUBTYPE = 6, 4
"""BSON's subtypes of what was encrypted, and of a key's id."""
KEY_ID = slice(1, 17)
"""Where a ciphertext names its key (MongoDB's client-side encryption specification, subtype 6)."""
KEY_CACHE_MS = 5000
"""How long a running process can still read after a key was destroyed."""

log = logging.getLogger(__name__)


class Sealed(Exception):
    """The blob does not open: it was changed, belongs to another person or class, or the master key is another.

    Never to be taken for an erased person: then a pasted blob or a wrong key file would pass for one.
    """


class Erased(Sealed):
    """The person's data key was destroyed."""


class Vault:
    """Seals and opens blobs. `spare` data keys are made beforehand, so that intake does not wait for one."""

    def __init__(self, client: AsyncMongoClient[Document], database: str, master: MasterKey, spare: int = 0) -> None:
        self.namespace = f"{database}_keys.data_keys"
        self._encryption: AsyncClientEncryption[Any] = AsyncClientEncryption(
            {"local": {"key": master.local}},
            self.namespace,
            client,
            CODEC,
            key_expiration_ms=KEY_CACHE_MS,
        )
        self._spare: asyncio.Queue[Binary] = asyncio.Queue(spare)
        self._filling: asyncio.Task[None] | None = None

    async def key(self) -> Binary:
        """A data key for a new person."""
        if self._filling is None and self._spare.maxsize:
            # In a context of its own: the deadline of the request that came first is not that of the filling.
            self._filling = asyncio.create_task(self._fill(), context=Context())
        try:
            return self._spare.get_nowait()
        except asyncio.QueueEmpty:
            async with self._plainly():
                return await self._encryption.create_data_key("local")

    async def seal(self, key: Binary, person_id: str, kind: str, data: Mapping[str, Any]) -> Binary:
        """kind: the class of the data (identity, contact, notes …), with an id where there are several.

        Raises Erased when the key is destroyed, Sealed when it is not ours.
        """
        blob = {"person_id": person_id, "class": kind, "data": dict(data)}
        async with self._plainly(key):
            return await self._encryption.encrypt(blob, Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random, key_id=key)

    async def open(self, blob: Binary, person_id: str, kind: str) -> dict[str, Any]:
        """The data. Raises Erased when the key is destroyed, Sealed when the blob was changed or is another's."""
        if getattr(blob, "subtype", None) != CIPHERTEXT:
            raise Sealed
        async with self._plainly(Binary(blob[KEY_ID], UUID_SUBTYPE)):
            opened = await self._encryption.decrypt(blob)
        if opened.get("person_id") != person_id or opened.get("class") != kind:
            raise Sealed
        data: dict[str, Any] = opened["data"]
        return data

    async def destroy(self, key: Binary) -> None:
        """Erasure: without the key the person's blobs are noise, in every backup that does not hold the keys."""
        await self._encryption.delete_key(key)

    async def close(self) -> None:
        """Takes back the keys that nobody was given."""
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.wait([self._filling], timeout=END_S)  # it may wait for room that is made below
        while not self._spare.empty():
            key = self._spare.get_nowait()
            try:
                await self.destroy(key)
            except Exception as error:  # noqa: BLE001 - a key that nobody has is harmless, stopping must go on
                log.warning("a spare data key stays behind", extra={"error": name_of(error)})
        await self._encryption.close()

    async def _fill(self) -> None:
        while True:
            heed_cancellation()
            try:
                await self._spare.put(await self._encryption.create_data_key("local"))
            except Exception as error:  # noqa: BLE001 - whatever it is, the next person gets a key all the same
                log.warning("no spare data key", extra={"error": name_of(error)})
                await pause(FILL_AGAIN_S)

    @asynccontextmanager
    async def _plainly(self, key: Binary | None = None) -> AsyncIterator[None]:
        """Says what libmongocrypt wraps: MongoDB cannot answer now, the key is gone, or all else."""
        try:
            yield
        except EncryptionError as error:
            if is_infrastructure(error.cause):
                raise error.cause from None
            if key is not None and await self._encryption.get_key(key) is None:
                raise Erased from None
            raise Sealed from None
