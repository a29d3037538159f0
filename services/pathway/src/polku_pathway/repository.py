"""Every MongoDB query of the service.

Collections: `pathways` (one document per pathway, with its outbox) and `exceptions` (who looked into another
coordinator's case, why, and until when).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from polku_events import EventData
from polku_events.refusals import Refused
from polku_pathway.catalogue import Catalogue
from polku_pathway.model.pathway import Pathway
from polku_pathway.model.rules import missing
from polku_runtime.access import Principal
from polku_runtime.aggregates import Aggregates
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document

PATHWAYS = "pathways"
EXCEPTIONS = "exceptions"
EXCEPTION_LASTS = timedelta(hours=3)

Scope = Mapping[str, Any]
Sort = Sequence[tuple[str, int]]

ORDERS: Mapping[str, Sort] = {
    # What waits longest comes first; what closed last comes first.
    "open": [("due_on", ASCENDING), ("_id", ASCENDING)],
    "closed": [("closed_on", DESCENDING), ("_id", ASCENDING)],
    "all": [("opened_on", DESCENDING), ("_id", ASCENDING)],
}


@dataclass(frozen=True)
class Wanted:
    """What a case-load list shows. state: `open`, `closed` or `all`; None or empty narrows nothing."""

    state: str = "open"
    own: bool = True
    stage: str | None = None
    overdue: bool = False
    incomplete: bool = False
    case: str = ""


class Exceptional(NamedTuple):
    """One reasoned look into another coordinator's case; kept as a log row for good."""

    pathway_id: str
    staff_id: str
    reason: str
    note: str
    at: datetime
    until: datetime


class Pathways:
    """The service's documents, for API processes and the worker alike."""

    def __init__(self, database: Database, catalogue: Catalogue, effects: Effects) -> None:
        self.database = database
        self.catalogue = catalogue
        self.effects = effects
        self.aggregates: Aggregates[Pathway] = Aggregates(database[PATHWAYS], Pathway, effects)

    async def create_indexes(self) -> None:
        """Two unique indexes carry rules: a referral opens or joins one pathway; one is open per person."""
        await self.aggregates.create_indexes()
        pathways = self.database[PATHWAYS]
        await pathways.create_index("referrals", name="referral", unique=True)
        await pathways.create_index(
            [("person_id", ASCENDING), ("programme", ASCENDING)],
            name="one_open",
            unique=True,
            partialFilterExpression={"open": True},
        )
        await pathways.create_index([("person_id", ASCENDING), ("opened_on", ASCENDING)], name="person")
        await pathways.create_index([("coordinator_id", ASCENDING), ("open", ASCENDING), ("due_on", ASCENDING)])
        await pathways.create_index([("programme", ASCENDING), ("open", ASCENDING), ("due_on", ASCENDING)])
        await pathways.create_index([("case_code", ASCENDING)], name="case")
        exceptions = self.database[EXCEPTIONS]
        await exceptions.create_index([("staff_id", ASCENDING), ("until", ASCENDING)], name="in_force")
        await exceptions.create_index([("pathway_id", ASCENDING), ("at", DESCENDING)], name="pathway")

    # -- for the consumer: no reader, so no scope ---------------------------------------------------------

    async def knows_referral(self, referral_id: str) -> bool:
        """True when a pathway was opened by, or has taken in, this referral."""
        return await self.database[PATHWAYS].find_one({"referrals": referral_id}, {"_id": True}) is not None

    async def of_referral(self, referral_id: str) -> Pathway | None:
        """The pathway that was opened by, or has taken in, this referral."""
        found = await self.aggregates.find({"referrals": referral_id}, sort=[("_id", ASCENDING)], limit=1)
        return found[0] if found else None

    async def open_of(self, person_id: str, programme: str) -> Pathway | None:
        """The person's open pathway in the programme; there is at most one."""
        found = await self.aggregates.find(
            {"person_id": person_id, "programme": programme, "open": True}, sort=[("_id", ASCENDING)], limit=1
        )
        return found[0] if found else None

    async def add(self, pathway: Pathway, events: Sequence[EventData]) -> Pathway:
        """Raises DuplicateKeyError when the referral is known or another pathway of the person is open."""
        return await self.aggregates.add(pathway, events, extra=self._derived(pathway))

    # -- for people ---------------------------------------------------------------------------------------

    async def scope_of(self, who: Principal) -> Scope:
        """What a reader may see, as a filter: managers their programmes, coordinators their own cases and,
        for three hours, those that they gave a reason for. Anybody else sees nothing.
        """
        programmes = {"programme": {"$in": sorted(who.programmes)}}
        if who.has_role("manager"):
            return programmes
        if not who.has_role("coordinator"):
            return {"_id": {"$in": []}}
        granted = await self.database[EXCEPTIONS].distinct(
            "pathway_id", {"staff_id": who.id, "until": {"$gt": self.effects.now()}}
        )
        return {**programmes, "$or": [{"coordinator_id": who.id}, {"_id": {"$in": granted}}]}

    async def get(self, pathway_id: str, scope: Scope) -> Pathway | None:
        return await self.aggregates.get(pathway_id, scope)

    async def save(
        self, before: Pathway, after: Pathway, events: Sequence[EventData], scope: Scope | None = None
    ) -> Pathway:
        """Raises LostRace, or Refused `another-open` when reopening meets a newer pathway of the person."""
        try:
            return await self.aggregates.save(before, after, events, scope=scope, extra=self._derived(after))
        except DuplicateKeyError:
            raise Refused("another-open") from None

    async def caseload(
        self, wanted: Wanted, who: Principal, scope: Scope, today: date, *, after: Scope, limit: int
    ) -> list[Pathway]:
        """The pathways of a list in its order. after: filter of the cursor (see `ORDERS`)."""
        where = {"$and": [scope, _filter(wanted, who, today), after]}
        return await self.aggregates.find(where, sort=ORDERS[wanted.state], limit=limit)

    async def counts(self, who: Principal, scope: Scope, today: date, *, own: bool) -> dict[str, int]:
        """Open pathways by stage, and under `overdue` and `incomplete` how many are so."""
        where = {"$and": [scope, _filter(Wanted(own=own), who, today)]}
        overdue = {"$sum": {"$cond": [{"$lt": ["$due_on", today.isoformat()]}, 1, 0]}}
        incomplete = {"$sum": {"$cond": [{"$gt": [{"$size": "$missing"}, 0]}, 1, 0]}}
        group = {"_id": "$stage", "count": {"$sum": 1}, "overdue": overdue, "incomplete": incomplete}
        rows = await self.database[PATHWAYS].aggregate([{"$match": where}, {"$group": group}])
        found: dict[str, int] = {"overdue": 0, "incomplete": 0}
        async for row in rows:
            found[row["_id"]] = row["count"]
            found["overdue"] += row["overdue"]
            found["incomplete"] += row["incomplete"]
        return found

    async def others_of(self, pathway: Pathway, scope: Scope) -> list[Pathway]:
        """The same person's other pathways in the programme, oldest first, as far as the reader may see."""
        where = {
            "$and": [scope, {"person_id": pathway.person_id, "programme": pathway.programme}],
            "_id": {"$ne": pathway.id},
        }
        return await self.aggregates.find(where, sort=[("opened_on", ASCENDING), ("_id", ASCENDING)], limit=20)

    # -- exceptions ---------------------------------------------------------------------------------------

    async def grant(self, who: Principal, case: str, reason: str, note: str) -> Exceptional | None:
        """Logs why `who` needs another coordinator's case and opens it for three hours.

        None when there is no such case in their programmes; the newest pathway of the case is meant.
        """
        where = {
            "programme": {"$in": sorted(who.programmes)},
            "case_code": normal_case(case),
            "coordinator_id": {"$ne": who.id},
        }
        found = await self.aggregates.find(where, sort=[("opened_on", DESCENDING), ("_id", ASCENDING)], limit=1)
        if not found:
            return None
        now = self.effects.now()
        row = Exceptional(found[0].id, who.id, reason, note, now, now + EXCEPTION_LASTS)
        await self.database[EXCEPTIONS].insert_one({"_id": self.effects.new_id(), **row._asdict()})
        return row

    async def exceptions_of(self, pathway_id: str) -> list[Exceptional]:
        """Who looked in by exception, newest first."""
        rows = self.database[EXCEPTIONS].find({"pathway_id": pathway_id}, {"_id": False})
        return [Exceptional(**row) async for row in rows.sort("at", DESCENDING).limit(100)]

    # -- beside the state ---------------------------------------------------------------------------------

    def _derived(self, pathway: Pathway) -> Document:
        """Search fields: whether it is open, the last expected day in the stage, what entry data lack."""
        definition = self.catalogue.of(pathway.programme, pathway.definition)
        return {
            "open": pathway.is_open,
            "due_on": definition.due_on(pathway.stage, pathway.stage_since),
            "missing": list(missing(pathway.entry)),
        }


def normal_case(text: str) -> str:
    """A case code, or its beginning, as people type it, in the form it is kept: ` 7f3` → `K-7F3`."""
    kept = re.sub(r"[^0-9A-Z]", "", text.upper())
    return f"K-{kept.removeprefix('K')}" if kept else ""


def _filter(wanted: Wanted, who: Principal, today: date) -> Document:
    where: Document = {}
    if wanted.state != "all":
        where["open"] = wanted.state == "open"
    if wanted.own:
        where["coordinator_id"] = who.id
    if wanted.stage:
        where["stage"] = wanted.stage
    if wanted.overdue:
        where["due_on"] = {"$lt": today.isoformat(), "$ne": None}
    if wanted.incomplete:
        where["missing.0"] = {"$exists": True}
    if wanted.case:
        where["case_code"] = {"$regex": f"^{re.escape(normal_case(wanted.case))}"}
    return where
