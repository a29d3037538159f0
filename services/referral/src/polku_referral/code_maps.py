"""The maps of the organisations' own codes: a plain document each, read at every referral, so kept for a moment.

And which codes of theirs wait for a meaning.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from polku_events.refusals import Wrong, refuse_if
from polku_referral.model.code_map import CODED, TOLD, CodeMap
from polku_referral.model.identity import holds_code
from polku_referral.model.referral import WAITING
from polku_referral.repository import NOT_TESTS, REFERRALS
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document
from polku_web.codes import Codes
from polku_web.problems import pointer

LASTS = timedelta(seconds=5)
"""How long another process may go on reading by the map before."""


class Kept(NamedTuple):
    """version: 0 while the organisation has no map."""

    code_map: CodeMap | None
    version: int


class Waiting(NamedTuple):
    """A code that nobody knows. referrals: how many wait because of it, without trials."""

    field: str
    own: str
    referrals: int


class CodeMaps:
    """Organisations' maps by organisation id."""

    def __init__(self, database: Database, effects: Effects) -> None:
        self.rows = database["code_maps"]
        self.referrals = database[REFERRALS]
        self.effects = effects
        self._fresh: dict[str, tuple[datetime, CodeMap | None]] = {}

    async def of(self, organisation_id: str) -> CodeMap | None:
        """The map to read a referral by; one that was changed elsewhere meanwhile is seen within LASTS."""
        now = self.effects.now()
        until, known = self._fresh.get(organisation_id, (now, None))
        if until <= now:
            known = (await self.kept(organisation_id)).code_map
            self._fresh[organisation_id] = (now + LASTS, known)
        return known

    async def kept(self, organisation_id: str) -> Kept:
        row = await self.rows.find_one({"_id": organisation_id})
        return Kept(None, 0) if row is None else Kept(CodeMap.model_validate(row["map"]), row["version"])

    async def put(self, organisation_id: str, code_map: CodeMap, seen: int, by: str | None) -> bool:
        """Replaces the map of version `seen` (0: there was none); False when somebody was faster."""
        fresh: Mapping[str, Any] = {
            "version": seen + 1,
            "map": code_map.model_dump(mode="json"),
            "changed_at": self.effects.now(),
            "changed_by": by,
        }
        as_seen = {"_id": organisation_id, "version": seen}
        try:
            done = await self.rows.update_one(as_seen, {"$set": fresh}, upsert=not seen)
        except DuplicateKeyError:
            return False
        self._fresh.pop(organisation_id, None)
        return bool(done.matched_count or done.upserted_id)

    async def waiting(self, organisation_id: str) -> list[Waiting]:
        """Codes that keep referrals waiting and are not in the map yet, those with the most referrals first."""
        waits = {"organisation_id": organisation_id, "state": {"$in": list(WAITING)}, "test": NOT_TESTS}
        stages: list[Document] = [
            {"$match": {**waits, "unmapped": {"$nin": [{}, None]}}},
            {"$project": {"unmapped": {"$objectToArray": "$unmapped"}}},
            {"$unwind": "$unmapped"},
            {"$group": {"_id": "$unmapped", "count": {"$sum": 1}}},
            {"$sort": {"count": DESCENDING, "_id": ASCENDING}},
        ]
        found = [
            Waiting(row["_id"]["k"], row["_id"]["v"], row["count"])
            async for row in await self.referrals.aggregate(stages)
        ]
        # A referral may wait for another code than one that was learnt meanwhile.
        known = (await self.kept(organisation_id)).code_map or CodeMap()
        return [one for one in found if one.own not in getattr(known, one.field)]


def check(code_map: CodeMap, codes: Codes) -> None:
    """Raises Refused when a code stands for one that Polku does not have, or looks like a person's."""
    own = [(field, code, ours) for field in (*CODED, *TOLD) for code, ours in getattr(code_map, field).items()]
    wrong = [Wrong(_place(field, code), "unknown-code") for field, code, ours in own if ours not in codes.lists[field]]
    every = [*((field, code) for field, code, _ in own), *(("municipality", code) for code in code_map.municipality)]
    wrong += [Wrong(field, "looks-like-identity-code") for field, code in every if holds_code(code)]
    refuse_if(wrong)


def _place(field: str, code: str) -> str:
    return pointer([field, code]).removeprefix("/")
