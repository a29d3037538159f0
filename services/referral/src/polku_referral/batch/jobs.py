"""The worker's part of jobs: chunk after chunk, the job that has waited longest first, so that none holds the others.

Whatever is cut off is begun again: a chunk is done when its results are written, and rows that a try before has
taken in are known by their turn.
"""

import asyncio
import logging

from polku_referral.batch import batches
from polku_referral.batch.job import Chunk, Job
from polku_referral.batch.jobs_store import JobStore
from polku_referral.desk import Desk
from polku_referral.xroad.members import Members
from polku_runtime.causes import Cause, because_of
from polku_runtime.lease import Lease
from polku_runtime.trouble import is_infrastructure, name_of

POLL_S = 0.5

log = logging.getLogger(__name__)


class Jobs:
    """One per worker; of several workers one works, and a second one would do no harm."""

    def __init__(self, store: JobStore, desk: Desk, lease: Lease, poll_s: float = POLL_S) -> None:
        self.store = store
        self.desk = desk
        self.lease = lease
        self.poll_s = poll_s
        self.members = Members(desk.directory.database, desk.directory.effects)
        self._said: dict[str, dict[str, str]] = {}

    async def run(self) -> None:
        """One turn of one job, for the worker to repeat."""
        job = await self.store.next_to_do()
        if job is None or not await self.lease.hold():
            await asyncio.sleep(self.poll_s)
            return
        try:
            with because_of(Cause(correlation_id=job.id)):
                await self._turn(job)
        except Exception as error:
            if is_infrastructure(error):
                raise
            # One job that cannot be done, whatever is wrong with it, must not hold all others.
            log.error("a job has failed", extra={"error": name_of(error)})  # noqa: TRY400 - rows may stand in the trace
            await self.store.end(job, "failed")

    async def _turn(self, job: Job) -> None:
        if job.state == "receiving":
            await self.store.discard(job)
        elif job.has_ended:
            self._said.pop(job.id, None)
            await self.store.tidy(job)
        elif (present := await self.store.turn(job)) is not None:
            await self._work(present)

    async def _work(self, job: Job) -> None:
        if not await self._may_go_on(job):
            log.warning("a job of a sender that may not come in any more is cancelled")
            await self.store.end(job, "cancelled")
            return
        chunk = await self.store.next_chunk(job)
        if chunk is not None:
            await self._chunk(job, chunk)
        elif not job.is_checking:
            await self.store.end(job, "done")
        elif (await self.store.counts(job))["refused"]:
            await self.store.keep_back(job)
            await self.store.end(job, "done")
        else:
            await self.store.begin_writing(job)

    async def _may_go_on(self, job: Job) -> bool:
        """False when whose it is has been shut out since: what void tokens have begun is not done either."""
        directory = self.desk.directory
        owner = await directory.organisations.get(job.who.organisation_id or "")
        if owner is None or not owner.active:
            return False
        client = await directory.client(job.who.id)
        if client is not None:
            return client.active and not client.suspended and client.tokens_valid_from <= job.created_at
        member = await self.members.by_id(job.who.id)
        return member is not None and member.active

    async def _chunk(self, job: Job, chunk: Chunk) -> None:
        rows = await batches.read(self.desk, job.who, await self.store.rows(job, chunk), job.id)
        if not (job.is_checking or job.wish.dry_run):
            await self.store.done(job, chunk, await batches.take(self.desk, rows), {})
            return
        # Taken out while it is worked with: what a try that failed has added must not count at the next.
        said = self._said.pop(job.id, None) or await self.store.said_before(job)
        known = set(said)
        outcomes = await batches.check(self.desk, rows, said)
        await self.store.done(job, chunk, outcomes, {name: said[name] for name in said.keys() - known})
        self._said[job.id] = said
