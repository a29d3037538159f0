"""Every MongoDB query of the service.

Collections: `sessions` (one document per session, with its outbox) and `pathways` (who can take part: our own
picture of the pathway service's events).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from polku_activities.model import overlaps
from polku_activities.model.session import LONGEST, Participant, Session
from polku_events import EventData
from polku_runtime.access import Principal
from polku_runtime.aggregates import Aggregates
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document

SESSIONS = "sessions"
PATHWAYS = "pathways"
NOBODYS: Mapping[str, Any] = {"_id": {"$in": []}}
LEADERS = ("coach", "coordinator", "manager")
"""Whoever has one of these roles may lead sessions."""
MOST_TO_CHOOSE, MOST_AT_ONCE = 500, 200
"""People to choose from; sessions within a day that share a participant."""

Scope = Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What a list shows; empty values narrow nothing. from_, until: instants of the start, until excluded."""

    state: str = ""
    activity: str = ""
    coach_id: str = ""
    from_: datetime | None = None
    until: datetime | None = None


def order_of(state: str) -> Sequence[tuple[str, int]]:
    """Of planned sessions the next comes first, of all others the latest."""
    return [("plan.starts_at", ASCENDING if state == "planned" else DESCENDING), ("_id", ASCENDING)]


def scope_of(who: Principal) -> Scope:
    """A coach sees the sessions of his own; coordinators and managers those of their programmes."""
    programmes = {"programme": {"$in": sorted(who.programmes)}}
    if who.has_role("coordinator", "manager"):
        return programmes
    return {**programmes, "plan.coach_id": who.id} if who.has_role("coach") else NOBODYS


class Sessions:
    """The service's documents, for API processes and the worker alike."""

    def __init__(self, database: Database, effects: Effects) -> None:
        self.database = database
        self.effects = effects
        self.aggregates: Aggregates[Session] = Aggregates(database[SESSIONS], Session, effects)

    async def create_indexes(self) -> None:
        await self.aggregates.create_indexes()
        sessions = self.database[SESSIONS]
        await sessions.create_index([("programme", ASCENDING), ("state", ASCENDING), ("plan.starts_at", ASCENDING)])
        await sessions.create_index([("plan.coach_id", ASCENDING), ("plan.starts_at", ASCENDING)])
        await sessions.create_index([("plan.participants.person_id", ASCENDING), ("plan.starts_at", ASCENDING)])
        await self.database[PATHWAYS].create_index(
            [("programme", ASCENDING), ("open", ASCENDING), ("case_code", ASCENDING)]
        )

    # -- sessions -----------------------------------------------------------------------------------------

    async def get(self, session_id: str, scope: Scope) -> Session | None:
        return await self.aggregates.get(session_id, scope)

    async def add(self, session: Session, events: Sequence[EventData]) -> Session:
        return await self.aggregates.add(session, events)

    async def save(self, before: Session, after: Session, events: Sequence[EventData], scope: Scope) -> Session:
        """Raises LostRace."""
        return await self.aggregates.save(before, after, events, scope=scope)

    async def listed(self, wanted: Wanted, scope: Scope, *, after: Mapping[str, Any], limit: int) -> list[Session]:
        """One page in the order of the list."""
        where = [dict(scope), _narrowed(wanted), dict(after)]
        return await self.aggregates.find({"$and": where}, sort=order_of(wanted.state), limit=limit)

    async def counts(self, wanted: Wanted, scope: Scope) -> dict[str, int]:
        """How many sessions stand in each state, of those that fit the other filters."""
        stages: list[Document] = [
            {"$match": {"$and": [dict(scope), _narrowed(replace(wanted, state=""))]}},
            {"$group": {"_id": "$state", "count": {"$sum": 1}}},
        ]
        return {row["_id"]: row["count"] async for row in await self.database[SESSIONS].aggregate(stages)}

    async def overlapping(self, session: Session) -> list[str]:
        """Case codes of participants who are in another session at the same time: a warning, not a refusal."""
        hours = overlaps.hours(session)
        if hours is None:
            return []
        others = await self.aggregates.find(
            {
                "_id": {"$ne": session.id},
                "programme": session.programme,
                "state": {"$ne": "cancelled"},
                "plan.participants.person_id": {"$in": [one.person_id for one in session.plan.participants]},
                # No session is longer, so nothing that began earlier can still be on.
                "plan.starts_at": {"$gt": hours[0] - timedelta(minutes=LONGEST), "$lt": hours[1]},
            },
            sort=[("plan.starts_at", ASCENDING)],
            limit=MOST_AT_ONCE,
        )
        return overlaps.overlapping(session, others)

    async def leaders(self, programmes: Collection[str]) -> list[str]:
        """Staff ids of those who may lead sessions of the programmes now."""
        where = {"active": True, "roles": {"$in": LEADERS}, "programmes": {"$in": sorted(programmes)}}
        rows = self.database["staff"].find(where, {"_id": 1}).sort("_id", ASCENDING)
        return [row["_id"] async for row in rows.limit(MOST_TO_CHOOSE)]

    # -- who can take part --------------------------------------------------------------------------------

    async def open_pathways(self, programme: str) -> list[Participant]:
        """Everybody with an open pathway in the programme, by case code."""
        rows = self.database[PATHWAYS].find({"programme": programme, "open": True}).sort("case_code", ASCENDING)
        return [_participant(row) async for row in rows.limit(MOST_TO_CHOOSE)]

    async def participants(self, programme: str, pathway_ids: Sequence[str]) -> list[Participant]:
        """Those of the pathways that are open in the programme, in the order asked for."""
        where = {"_id": {"$in": list(pathway_ids)}, "programme": programme, "open": True}
        found = {row["_id"]: _participant(row) async for row in self.database[PATHWAYS].find(where)}
        return [found[pathway_id] for pathway_id in pathway_ids if pathway_id in found]

    async def learn(self, pathway_id: str, version: int, *, is_open: bool, about: Document | None = None) -> bool:
        """What one event says about a pathway (see `learned`); answers whether anything changed."""
        change = learned(version, is_open=is_open, about=about)
        for _ in range(2):
            try:
                done = await self.database[PATHWAYS].update_one({"_id": pathway_id}, change, upsert=True)
            except DuplicateKeyError:
                continue  # two first events of one pathway at once: the second finds the document now
            return bool(done.modified_count or done.upserted_id)
        raise TimeoutError("the pathway could not be written")


def learned(version: int, *, is_open: bool, about: Document | None = None) -> list[Document]:
    """The update that one event makes, as a pipeline.

    Free of order: `about` never changes, and of all that is said about being open the newest version counts.
    So any interleaving and any repetition end in the same document.
    """
    known = {"$ifNull": ["$open_version", 0]}
    newest = {"$cond": [{"$gt": [version, known]}, is_open, "$open"]}
    plain = {name: {"$literal": value} for name, value in (about or {}).items()}
    return [{"$set": {**plain, "open": newest, "open_version": {"$max": [version, known]}}}]


def _participant(row: Document) -> Participant:
    return Participant(person_id=row["person_id"], pathway_id=row["_id"], case_code=row["case_code"])


def _narrowed(wanted: Wanted) -> Document:
    where: Document = {}
    if wanted.state:
        where["state"] = wanted.state
    if wanted.activity:
        where["plan.activity"] = wanted.activity
    if wanted.coach_id:
        where["plan.coach_id"] = wanted.coach_id
    starts = {"$gte": wanted.from_, "$lt": wanted.until}
    starts = {name: value for name, value in starts.items() if value is not None}
    return {**where, "plan.starts_at": starts} if starts else where
