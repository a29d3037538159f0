"""HTTP of batches: many referrals in one request, and the jobs that the large ones become."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Response
from starlette.requests import Request

from polku_referral.api.referrals import BASE, AtDesk, Sender
from polku_referral.audit import denied
from polku_referral.batch import batches
from polku_referral.batch.job import Job, Wish
from polku_referral.batch.jobs_store import JobStore
from polku_referral.batch.wire import BatchOut, JobOut, ResultsOut, atomicity, counted, job_out, row_out
from polku_referral.desk import Desk
from polku_referral.files.rows import Elements, Lines, Reader, Row
from polku_runtime.access import Principal
from polku_web.bodies import Allowance, media_type
from polku_web.doors import client
from polku_web.i18n import msg
from polku_web.paging import Window, encode, link, window, wrong_cursor
from polku_web.problems import Problem, from_validation

MOST_AT_ONCE = 1000
MOST = 50_000
CHUNK_ROWS, CHUNK_BYTES = batches.ROUND, 4 * 1024 * 1024
"""Of a job; a document of MongoDB may have 16 MB."""
PIECE = 64 * 1024
RETRY_AFTER_S = "2"
JSON, LINES = "application/json", "application/x-ndjson"
ALLOWANCES = {f"{BASE}/referrals/batch": Allowance(types=(JSON, LINES), max_bytes=64 * 1024 * 1024)}

router = APIRouter(prefix=BASE, tags=["batches"])
Follower = Annotated[Principal, Depends(client("referrals:read"))]
DryRun = Annotated[bool, Query(description="Check all and keep nothing")]
Atomic = Annotated[Literal["item", "all"], Query(description="`all`: one row that is wrong keeps all others out")]
Prefer = Annotated[str, Header(description="`respond-async` (RFC 7240): a job, however few rows there are")]


def jobs_of(request: Request) -> JobStore:
    store: JobStore = request.app.state.jobs
    return store


AtJobs = Annotated[JobStore, Depends(jobs_of)]
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "One result per row", "model": BatchOut},
    202: {"description": "A job was made; `Location` tells where it stands", "model": JobOut},
}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/ReferralIn"}}},
            LINES: {"schema": {"type": "string", "description": "One referral per line, as JSON"}},
        },
    }
}


@router.post("/referrals/batch", response_model=None, responses=ANSWERS, openapi_extra=BODY)
async def receive_batch(
    request: Request,
    who: Sender,
    desk: AtDesk,
    jobs: AtJobs,
    atomic: Atomic = "item",
    dry_run: DryRun = False,
    prefer: Prefer = "",
) -> Response:
    """Takes many referrals in: up to 1 000 are answered at once, more (up to 50 000) become a job.

    Each row gets what it would have got by itself, and sending the batch again is safe row by row. With `atomic=all`
    either all rows of an answer are in or none. A job is checked whole before its first row is written; what is sent
    from elsewhere after that, or a person who is erased, refuses its row alone.
    """
    wish = Wish(atomic=atomic == "all", dry_run=dry_run)
    reader: Reader = Lines() if media_type(request.headers) == LINES else Elements()
    answer = await received(who, desk, jobs, _rows(request, reader), wish, wants_job=wants_job(prefer))
    if isinstance(answer, Response):
        return answer
    name_referrals(request, answer, wish)
    return batch_response(request, answer, wish)


def name_referrals(request: Request, outcomes: list[batches.Outcome], wish: Wish) -> None:
    """Leaves on the request which referrals it sent, for a door that writes a row about each (xroad/door.py)."""
    if not wish.dry_run:
        request.state.referrals = [one.id for one in outcomes if one.id is not None]


def wants_job(prefer: str) -> bool:
    return "respond-async" in [one.partition(";")[0].strip().lower() for one in prefer.split(",")]


async def received(
    who: Principal,
    desk: Desk,
    jobs: JobStore,
    rows: AsyncIterator[Row],
    wish: Wish,
    *,
    wants_job: bool,
) -> list[batches.Outcome] | Response:
    """The outcomes of few rows, or the 202 of a job of many. Raises Problem for none, or for too many."""
    incoming = Incoming(jobs, who, wish)
    try:
        async for row in rows:
            await incoming.add(row, is_job=wants_job)
        job = await incoming.end()
    except BaseException:
        await incoming.discard()
        raise
    if job is None:
        return await batches.run(desk, who, incoming.rows, atomic=wish.atomic, dry_run=wish.dry_run)
    headers = {"location": f"{BASE}/jobs/{job.id}", "retry-after": RETRY_AFTER_S}
    if wants_job:
        headers["preference-applied"] = "respond-async"
    body = job_out(job, {}, desk.effects.now()).model_dump_json(exclude_none=True)
    return Response(body, 202, headers, media_type=JSON)


class Incoming:
    """Rows as they come: kept here while they are few, sealed chunk by chunk as a job when they are many."""

    def __init__(self, jobs: JobStore, who: Principal, wish: Wish) -> None:
        self.jobs = jobs
        self.who = who
        self.wish = wish
        self.rows: list[Row] = []
        self.total = 0
        self._bytes = 0
        self._job: Job | None = None
        self._chunks = 0

    async def add(self, row: Row, *, is_job: bool) -> None:
        self.rows.append(row)
        self.total += 1
        self._bytes += len(row.raw)
        if self.total > MOST:
            raise Problem(413, "too-large", msg("A batch may have %(most)s rows at most.", most=MOST))
        if self._job is None and (is_job or self.total > MOST_AT_ONCE):
            self._job = await self.jobs.open(self.who, self.wish)
        if self._job is not None and (len(self.rows) >= CHUNK_ROWS or self._bytes >= CHUNK_BYTES):
            await self._send(self._job)

    async def end(self) -> Job | None:
        """The job, once all of its rows are durable; None when there is none. Raises Problem for no rows at all."""
        if self.total == 0:
            raise from_validation([{"type": "too_short", "loc": ("body",), "ctx": {"min_length": 1}}])
        if self._job is None:
            return None
        await self._send(self._job)
        return await self.jobs.queue(self._job, self.total)

    async def discard(self) -> None:
        if self._job is not None:
            await self.jobs.discard(self._job)

    async def _send(self, job: Job) -> None:
        for rows in _cut(self.rows):
            self._chunks += 1
            await self.jobs.add(job, self._chunks, rows)
        self.rows, self._bytes = [], 0


def _cut(rows: list[Row]) -> Iterator[list[Row]]:
    """Chunks of so many rows, or of so many bytes and the row that was too much."""
    chunk: list[Row] = []
    size = 0
    for row in rows:
        chunk.append(row)
        size += len(row.raw)
        if len(chunk) == CHUNK_ROWS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


async def _rows(request: Request, reader: Reader) -> AsyncIterator[Row]:
    """The rows of a body as it comes in, without ever holding all of it."""
    waiting = bytearray()
    async for part in request.stream():
        waiting += part
        # Small parts are put together and large ones cut: each piece is looked through for whole rows.
        while len(waiting) >= PIECE:
            for row in reader.feed(bytes(waiting[:PIECE])):
                yield row
            del waiting[:PIECE]
    for row in reader.feed(bytes(waiting), is_last=True):
        yield row


def batch_response(
    request: Request, outcomes: list[batches.Outcome], wish: Wish, columns: Mapping[str, str] | None = None
) -> Response:
    """As BatchOut. columns: of a file, path → heading."""
    body = {
        "rows": len(outcomes),
        "dry_run": wish.dry_run,
        "atomic": atomicity(atomic=wish.atomic),
        "counts": counted(outcomes).model_dump(),
        "results": [row_out(request, one, columns) for one in outcomes],
    }
    return Response(json.dumps(body, ensure_ascii=False, separators=(",", ":")), media_type=JSON)


@router.get("/jobs/{job_id}", response_model_exclude_none=True)
async def one_job(response: Response, who: Follower, desk: AtDesk, jobs: AtJobs, job_id: str) -> JobOut:
    """Where a job stands: what is done of it, and when the rest will be."""
    return await _shown(response, desk, jobs, await job_of(desk, jobs, who, job_id))


@router.delete("/jobs/{job_id}", response_model_exclude_none=True)
async def cancel_job(response: Response, who: Sender, desk: AtDesk, jobs: AtJobs, job_id: str) -> JobOut:
    """Cancels what is not done yet. Rows that are done stay done; a job that has ended stays as it is."""
    await job_of(desk, jobs, who, job_id)
    await jobs.cancel(job_id, who)
    return await _shown(response, desk, jobs, await job_of(desk, jobs, who, job_id))


@router.get("/jobs/{job_id}/results", response_model=ResultsOut, response_model_exclude_none=False)
async def job_results(
    request: Request,
    who: Follower,
    desk: AtDesk,
    jobs: AtJobs,
    job_id: str,
    part: Annotated[Window, Depends(window)],
) -> Response:
    """One result per row, in order, as far as the job has come, with the receipts of those that are in."""
    job = await job_of(desk, jobs, who, job_id)
    found = [] if job.is_checking else await jobs.results(job, _place(part), part.fetch)
    shown = found[: part.limit]
    more = shown and (len(found) > part.limit or not job.is_tidy)
    after = encode(shown[-1][0]) if more else None
    # A job keeps none: they lie sealed in the referrals.
    receipts = await desk.intake.receipts([one.id for _, one in shown if one.id is not None])
    outcomes = [replace(one, receipt=receipts.get(one.id or "")) for _, one in shown]
    body = {"items": [row_out(request, one, job.wish.columns) for one in outcomes], "next": after}
    response = Response(json.dumps(body, ensure_ascii=False, separators=(",", ":")), media_type=JSON)
    link(request, response, after)
    return response


async def job_of(desk: Desk, jobs: JobStore, who: Principal, job_id: str) -> Job:
    """Raises Problem 404, also for another organisation's."""
    job = await jobs.get(job_id, who)
    if job is None:
        await desk.audit.write(who, [denied(job_id)])
        raise Problem(404, "not-found")
    return job


async def _shown(response: Response, desk: Desk, jobs: JobStore, job: Job) -> JobOut:
    if not job.has_ended:
        response.headers["retry-after"] = RETRY_AFTER_S
    return job_out(job, await jobs.counts(job), desk.effects.now())


def _place(part: Window) -> tuple[int, int]:
    """The chunk and the place in it that a cursor names. Raises Problem 422 for the cursor of another list."""
    match part.after:
        case None:
            return (0, 0)
        case (int(chunk), int(place)):
            return (chunk, place)
    raise wrong_cursor()
