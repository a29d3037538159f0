"""Jobs: batches too large to be answered at once, kept in MongoDB until they are done (docs/decisions/0013).

A job's document says whose it is, what is wanted and where it stands. Its rows lie in chunks, sealed under a data key
of the job; a chunk that is done holds what became of its rows instead, and that holds nothing personal. When a job
has ended the key is destroyed; results stay for RESULTS_KEPT.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta

import pymongo
from bson import Binary
from pymongo import ASCENDING, ReturnDocument

from polku_referral.batch.batches import ROUND_SECONDS, STATUSES, Outcome, kept_back
from polku_referral.batch.job import Chunk, Job, State, Wish
from polku_referral.batch.results import restored, stored
from polku_referral.files.rows import Fault, Row
from polku_referral.vault import Erased, Vault
from polku_runtime.access import Principal
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document

RESULTS_KEPT = timedelta(days=30)
ABANDONED = timedelta(hours=1)
"""A body is not under way for longer than this: whoever was receiving it has died."""


class JobStore:
    """Every MongoDB query about jobs."""

    def __init__(self, database: Database, vault: Vault, effects: Effects) -> None:
        self.jobs = database["jobs"]
        self.chunks = database["job_chunks"]
        self.vault = vault
        self.effects = effects

    async def create_indexes(self) -> None:
        for collection in (self.jobs, self.chunks):
            await collection.create_index("expires_at", name="expires_at", expireAfterSeconds=0)
        await self.jobs.create_index(
            "turn_at", name="to_do", partialFilterExpression={"key": {"$exists": True}}
        )  # a job that is tidied away has no key any more
        await self.chunks.create_index(
            [("job", ASCENDING), ("is_done", ASCENDING), ("number", ASCENDING)], name="of_job"
        )

    # -- coming in ----------------------------------------------------------------------------------------

    async def open(self, who: Principal, wish: Wish) -> Job:
        """A job whose rows are still coming in."""
        now = self.effects.now()
        row: Document = {
            "_id": self.effects.new_id(),
            "client_id": who.id,
            "organisation_id": who.organisation_id,
            "test": who.test,
            "wish": {**asdict(wish), "columns": dict(wish.columns or {}) or None},
            "state": "receiving",
            "total": 0,
            "chunks": 0,
            "is_checked": False,
            "created_at": now,
            "turn_at": now,
        }
        with pymongo.timeout(ROUND_SECONDS):
            row["key"] = await self.vault.key()
            await self.jobs.insert_one(row)
        return _job(row)

    async def add(self, job: Job, number: int, rows: Sequence[Row]) -> None:
        """One chunk of its rows, the `number`th."""
        assert job.key is not None
        said = {"rows": [[row.number, row.raw, row.sha256, [list(fault) for fault in row.faults]] for row in rows]}
        with pymongo.timeout(ROUND_SECONDS):
            blob = await self.vault.seal(job.key, job.id, f"rows:{number}", said)
            await self.chunks.insert_one(
                {
                    "_id": f"{job.id}:{number:05}",
                    "job": job.id,
                    "number": number,
                    "rows": [row.number for row in rows],
                    "blob": blob,
                    "is_done": False,
                }
            )

    async def queue(self, job: Job, total: int) -> Job:
        """All rows are here: whoever reads this may answer for the job."""
        with pymongo.timeout(ROUND_SECONDS):
            return await self._set(job, {"state": "queued", "total": total})

    async def discard(self, job: Job) -> None:
        """A job that never was: its body was not whole, or not readable."""
        await self.chunks.delete_many({"job": job.id})
        if job.key is not None:
            await self.vault.destroy(job.key)
        await self.jobs.delete_one({"_id": job.id})

    # -- for its sender -----------------------------------------------------------------------------------

    async def get(self, job_id: str, who: Principal) -> Job | None:
        """None also for another organisation's."""
        row = await self.jobs.find_one({**_scope(who), "_id": job_id, "state": {"$ne": "receiving"}})
        return None if row is None else _job(row)

    async def counts(self, job: Job) -> dict[str, int]:
        """Rows that are done, by status."""
        named: Document = {status: {"$sum": f"$counts.{status}"} for status in STATUSES}
        stages = [{"$match": {"job": job.id, "is_done": True}}, {"$group": {"_id": None, **named}}]
        rows = await (await self.chunks.aggregate(stages)).to_list()
        return {status: rows[0][status] if rows else 0 for status in STATUSES}

    async def results(self, job: Job, after: tuple[int, int], limit: int) -> list[tuple[tuple[int, int], Outcome]]:
        """Outcomes with their places, chunk and place in it, after a place."""
        found: list[tuple[tuple[int, int], Outcome]] = []
        done = {"job": job.id, "is_done": True, "number": {"$gte": after[0]}}
        async for row in self.chunks.find(done).sort("number", ASCENDING):
            places = ((row["number"], place) for place in range(1, len(row["results"]) + 1))
            pairs = zip(places, row["results"], strict=True)
            found += [(place, restored(one)) for place, one in pairs if place > after]
            if len(found) >= limit:
                break
        return found[:limit]

    async def cancel(self, job_id: str, who: Principal) -> None:
        """Rows that are done stay done."""
        now = self.effects.now()
        await self.jobs.update_one(
            {**_scope(who), "_id": job_id, "state": {"$in": ["queued", "running"]}},
            {"$set": {"state": "cancelled", "finished_at": now, "expires_at": now + RESULTS_KEPT}},
        )

    # -- for the worker -----------------------------------------------------------------------------------

    async def next_to_do(self) -> Job | None:
        """The job whose last turn was the longest ago, also one that is only to be tidied away."""
        abandoned = {"$lt": self.effects.now() - ABANDONED}
        row = await self.jobs.find_one(
            {"key": {"$exists": True}, "$or": [{"state": {"$ne": "receiving"}}, {"created_at": abandoned}]},
            sort=[("turn_at", ASCENDING)],
        )
        return None if row is None else _job(row)

    async def turn(self, job: Job) -> Job | None:
        """Marks that it is worked on now; None when it has ended meanwhile."""
        now = self.effects.now()
        row = await self.jobs.find_one_and_update(
            {"_id": job.id, "state": {"$in": ["queued", "running"]}},
            {"$set": {"state": "running", "turn_at": now, "started_at": job.started_at or now}},
            return_document=ReturnDocument.AFTER,
        )
        return None if row is None else _job(row)

    async def next_chunk(self, job: Job) -> Chunk | None:
        row = await self.chunks.find_one({"job": job.id, "is_done": False}, sort=[("number", ASCENDING)])
        return None if row is None else _chunk(row)

    async def said_before(self, job: Job) -> dict[str, str]:
        """Ids and contents of all rows that were checked."""
        said: dict[str, str] = {}
        async for row in self.chunks.find({"job": job.id, "is_done": True}, {"said": True}).sort("number", ASCENDING):
            said = dict(row.get("said", [])) | said
        return said

    async def rows(self, job: Job, chunk: Chunk) -> list[Row]:
        """Raises Sealed when they do not open."""
        if chunk.blob is None:
            raise Erased
        opened = await self.vault.open(chunk.blob, job.id, f"rows:{chunk.number}")
        return [
            Row(number, bytes(raw), digest, tuple(Fault(*fault) for fault in faults))
            for number, raw, digest, faults in opened["rows"]
        ]

    async def done(self, job: Job, chunk: Chunk, outcomes: Sequence[Outcome], said: Mapping[str, str]) -> None:
        """said: ids and contents that checking it has found. The rows go, unless they are still to be written."""
        counts = {status: sum(one.status == status for one in outcomes) for status in STATUSES}
        fresh: Document = {"is_done": True, "results": [stored(one) for one in outcomes], "counts": counts}
        change: Document = {"$set": fresh | ({"said": list(said.items())} if said else {})}
        if not job.is_checking:
            change["$unset"] = {"blob": True}
        await self.chunks.update_one({"_id": f"{job.id}:{chunk.number:05}"}, change)

    async def begin_writing(self, job: Job) -> Job:
        """All rows of an atomic job have been checked and are good. Safe to repeat before anything is written."""
        await self.chunks.update_many(
            {"job": job.id}, {"$set": {"is_done": False}, "$unset": {"results": True, "counts": True, "said": True}}
        )
        return await self._set(job, {"is_checked": True})

    async def keep_back(self, job: Job) -> None:
        """An atomic job is not written: its rows that are good become `not-written`. Safe to repeat."""
        good = {"$or": [{f"counts.{status}": {"$gt": 0}} for status in ("valid", "repeated")]}
        async for row in self.chunks.find({"job": job.id, **good}, {"results": True}):
            late = kept_back([restored(one) for one in row["results"]])
            counts = {status: sum(one.status == status for one in late) for status in STATUSES}
            told = [stored(one) for one in late]
            await self.chunks.update_one({"_id": row["_id"]}, {"$set": {"results": told, "counts": counts}})

    async def end(self, job: Job, state: State) -> Job:
        now = self.effects.now()
        return await self._set(job, {"state": state, "finished_at": now, "expires_at": now + RESULTS_KEPT})

    async def tidy(self, job: Job) -> None:
        """Of a job that has ended only the results stay. Safe to repeat; the key goes last."""
        if job.is_checking:
            await self.keep_back(job)  # cut off before anything was written
        async for row in self.chunks.find({"job": job.id, "is_done": False}, {"rows": True, "number": True}):
            left = [Outcome(number, None, "not-written", 424) for number in row["rows"]]
            await self.done(job, Chunk(row["number"], row["rows"], None, {}), left, {})
        await self.chunks.update_many(
            {"job": job.id}, {"$set": {"expires_at": job.expires_at}, "$unset": {"blob": True, "said": True}}
        )
        if job.key is not None:
            await self.vault.destroy(job.key)
        await self.jobs.update_one({"_id": job.id}, {"$unset": {"key": True}})

    async def _set(self, job: Job, changes: Document) -> Job:
        row = await self.jobs.find_one_and_update(
            {"_id": job.id}, {"$set": changes}, return_document=ReturnDocument.AFTER
        )
        assert row is not None
        return _job(row)


def _scope(who: Principal) -> Document:
    return {"organisation_id": who.organisation_id or "", "test": who.test}


def _job(row: Document) -> Job:
    who = Principal(kind="client", id=row["client_id"], organisation_id=row["organisation_id"], test=row["test"])
    return Job(
        id=row["_id"],
        who=who,
        wish=Wish(**row["wish"]),
        state=row["state"],
        total=row["total"],
        is_checked=row["is_checked"],
        created_at=row["created_at"],
        started_at=row.get("started_at"),
        finished_at=row.get("finished_at"),
        expires_at=row.get("expires_at"),
        key=Binary(bytes(row["key"]), 4) if "key" in row else None,
    )


def _chunk(row: Document) -> Chunk:
    return Chunk(row["number"], row["rows"], row.get("blob"), dict(row.get("said", [])))
