"""The audit trail: every look at a person is one row in a hash chain, written before the answer. No audit, no look.

Each row holds the hash of the one before it, so an edit, a removal or a swap in the middle shows. Sixteen
chains, chosen by person, so that readers of different people do not wait for each other.
"""

import asyncio
import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from pymongo import DESCENDING
from pymongo.errors import BulkWriteError

from polku_referral.rounds import Rounds
from polku_runtime.access import Principal
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document, only_duplicates

CHAINS = 16
TRIES = 50
ROUND = 50
SECONDS = 1.5
"""A reader hears within 2 s that MongoDB is gone."""
START = "0" * 64
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


@dataclass(frozen=True)
class Look:
    """One look at one person. action: why, as a code. classes: which classes of data were opened.

    A try that was refused opened nothing and may have met nobody: then `about` holds the id that was asked for.
    So it does of a change of who may come in. detail: a code or fingerprint. count: how many alike this stands for.
    message: how a call names itself on the way that it took (model/xroad.py).
    """

    person_id: str | None
    action: str
    classes: tuple[str, ...] = ()
    about: str | None = None
    detail: str | None = None
    count: int = 1
    message: Mapping[str, str] | None = None


class Audit:
    """Append-only; nothing here changes or removes a row."""

    def __init__(self, database: Database, effects: Effects) -> None:
        self.rows = database["audit"]
        self.effects = effects
        # Readers of one chain at the same moment write together: one by one each would lose to all the others.
        self._rounds: list[Rounds[list[Document], None]] = [
            Rounds(partial(self._append, chain), largest=ROUND, seconds=SECONDS) for chain in range(CHAINS)
        ]

    async def write(self, who: Principal | None, looks: Iterable[Look]) -> None:
        """Adds one row per look, in order. who: None for Polku itself. Raises what MongoDB raises."""
        chains: dict[int, list[Document]] = {}
        for look in looks:
            name = look.person_id or (who.id if who else "")
            chains.setdefault(zlib.crc32(name.encode()) % CHAINS, []).append(self._said(who, look))
        await asyncio.gather(*(self._rounds[chain].join(said) for chain, said in chains.items()))

    async def _append(self, chain: int, together: Sequence[list[Document]]) -> list[None]:
        left = [said for one in together for said in one]
        for _ in range(TRIES):
            last = await self.rows.find_one({"_id.chain": chain}, sort=[("_id.seq", DESCENDING)])
            seq, prev = (last["_id"]["seq"], last["hash"]) if last else (0, START)
            rows: list[Document] = []
            for said in left:
                seq += 1
                row = {**said, "_id": {"chain": chain, "seq": seq}, "prev": prev}
                prev = row["hash"] = digest(row)
                rows.append(row)
            try:
                await self.rows.insert_many(rows, ordered=True)
            except BulkWriteError as error:
                only_duplicates(error)
                left = left[error.details["nInserted"] :]  # another process wrote the next row: go on after it
            else:
                return [None] * len(together)
        raise TimeoutError("the audit trail could not be written")

    def _said(self, who: Principal | None, look: Look) -> Document:
        return {
            "at": self.effects.now(),
            "by": who.id if who else None,
            "kind": who.kind if who else "polku",
            "organisation_id": who.organisation_id if who else None,
            "person_id": look.person_id,
            "action": look.action,
            "classes": list(look.classes),
            **({} if look.about is None else {"about": look.about}),
            **({} if look.detail is None else {"detail": look.detail}),
            **({} if look.count == 1 else {"count": look.count}),
            **({} if look.message is None else {"message": dict(look.message)}),
        }

    async def newest(self, *, client: str | None, since: datetime, limit: int) -> list[dict[str, Any]]:
        """Rows since a moment, newest first, ready to be told. client: only those about this machine, or by it."""
        where: Document = {"at": {"$gte": since}}
        if client is not None:
            where["$or"] = [{"about": client}, {"by": client}]
        rows = self.rows.find(where, {"hash": False, "prev": False}).sort([("at", DESCENDING)]).limit(limit)
        return [
            {**row, "_id": f"{row['_id']['chain']}:{row['_id']['seq']}", "at": row["at"].isoformat()}
            async for row in rows
        ]

    async def verify(self) -> list[str]:
        """Walks every chain; one sentence per place where it does not hold."""
        wrong: list[str] = []
        expected: dict[int, tuple[int, str]] = {}
        async for row in self.rows.find({}).sort([("_id.chain", 1), ("_id.seq", 1)]):
            chain, seq = row["_id"]["chain"], row["_id"]["seq"]
            last_seq, last_hash = expected.get(chain, (0, START))
            if seq != last_seq + 1:
                wrong.append(f"chain {chain}: rows are missing before {seq}")
            if row["prev"] != last_hash and seq == last_seq + 1:
                wrong.append(f"chain {chain}: row {seq} does not follow the one before it")
            if row["hash"] != digest(row):
                wrong.append(f"chain {chain}: row {seq} was changed")
            expected[chain] = (seq, row["hash"])
        return wrong


def denied(asked: str) -> Look:
    """The row of a try at what is unknown, or not for whoever tried.

    What was asked for may be anything that somebody typed; only what could be an id is kept.
    """
    return Look(None, "denied", about=as_id(asked))


def as_id(text: str) -> str:
    """The text if it could be one of our ids, else `-`: what somebody typed there might be a person's data."""
    return text if ID.fullmatch(text) else "-"


def digest(row: Document) -> str:
    """SHA-256 over the row without its own hash, in a fixed form."""
    said: dict[str, Any] = {name: value for name, value in row.items() if name != "hash"}
    said["at"] = int(row["at"].timestamp() * 1000)
    said["_id"] = [row["_id"]["chain"], row["_id"]["seq"]]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
