"""Many referrals at once: sent in few requests, one result per row, large ones followed as jobs."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

import httpx

from polku_client.problems import PolkuError, PolkuProblem, read_problem

MOST_ROWS = 50_000
MOST_BYTES = 48 * 1024 * 1024
"""Of one request; the service takes 64 MB."""
ANSWER_S = 120.0
"""A thousand rows are written before the answer comes."""
POLL_S = 1.0
LINES = {"content-type": "application/x-ndjson"}
ENDED = ("done", "failed", "cancelled")

Progress = Callable[[int, int], object]
"""Told how many rows are done, of how many."""
Send = Callable[..., httpx.Response]


class NotDone(PolkuError):
    """A job ended without doing all of its rows. What is done stays done; sending the rest again is safe."""


@dataclass(frozen=True)
class RowResult:
    """What became of one row. row: from 1, in the order in which they were given; of a file, its line.

    status: `created`, `repeated` (known before), `refused` with its problem, `valid` (checked only), or `not-written`
    because of another row. columns: of a file, pointer → heading. sent: the bytes that the receipt is about.
    """

    row: int
    status: str
    external_id: str | None = None
    id: str | None = None
    case_code: str | None = None
    receipt: str | None = None
    problem: PolkuProblem | None = None
    columns: Mapping[str, str] | None = None
    sent: bytes | None = None

    @property
    def is_good(self) -> bool:
        """True for a row that is in, or would be."""
        return self.status in ("created", "repeated", "valid")

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        problem = said.get("problem")
        errors = problem.get("errors") or () if problem else ()
        return cls(
            row=said["row"],
            status=said["status"],
            external_id=said.get("external_id"),
            id=said.get("id"),
            case_code=said.get("case_code"),
            receipt=said.get("receipt"),
            problem=read_problem(problem) if problem else None,
            columns={one["pointer"]: one["column"] for one in errors if one.get("column")},
        )


@dataclass(frozen=True)
class Job:
    """A batch that is worked on for a while. state: `queued`, `running`, `done`, `failed`, `cancelled`."""

    id: str
    state: str
    total: int
    done: int
    counts: Mapping[str, int]
    eta: datetime | None
    said: Mapping[str, Any]

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        eta = datetime.fromisoformat(said["eta"]) if said.get("eta") else None
        return cls(said["id"], said["state"], said["total"], said["done"], said["counts"], eta, said)


class Jobs:
    """`client.jobs`. All raise PolkuProblem."""

    def __init__(self, send: Send, sleep: Callable[[float], object] = time.sleep) -> None:
        self._send = send
        self._sleep = sleep

    def get(self, job_id: str) -> Job:
        """Where a job stands. Its results are kept for 30 days."""
        return Job.read(self._send("GET", f"/jobs/{job_id}").json())

    def results(self, job_id: str) -> Iterator[RowResult]:
        """One result per row that is done, in order."""
        query: dict[str, Any] = {"limit": 200}
        while True:
            told = self._send("GET", f"/jobs/{job_id}/results", params=query).json()
            yield from map(RowResult.read, told["items"])
            if not told["next"]:
                return
            query["after"] = told["next"]

    def follow(self, job_id: str, progress: Progress | None = None) -> Job:
        """Waits until a job has ended."""
        while True:
            job = self.get(job_id)
            if progress:
                progress(job.done, job.total)
            if job.has_ended:
                return job
            self._sleep(POLL_S)

    def done(self, job_id: str, progress: Progress | None = None) -> Job:
        """Waits until a job is done. Raises NotDone for one that ended otherwise."""
        job = self.follow(job_id, progress)
        if job.state != "done":
            raise NotDone(f"job {job.id} ended as {job.state} after {job.done} of {job.total} rows")
        return job

    def cancel(self, job_id: str) -> None:
        """Rows that are done stay done."""
        self._send("DELETE", f"/jobs/{job_id}")

    def outcome(self, answer: httpx.Response, progress: Progress | None) -> list[RowResult]:
        """The results in the answer to a batch, at once or when its job is done. Raises NotDone."""
        if answer.status_code != httpx.codes.ACCEPTED:
            return [RowResult.read(one) for one in answer.json()["results"]]
        return list(self.results(self.done(answer.json()["id"], progress).id))


def send_batch(
    send: Send, jobs: Jobs, rows: Sequence[bytes], *, query: Mapping[str, str], progress: Progress | None
) -> list[RowResult]:
    """One result per row, in order. progress: told over all of the requests."""
    found: list[RowResult] = []
    for part in _parts(rows):
        before = len(found)

        def tell(done: int, _: int, before: int = before) -> None:
            if progress:
                progress(before + done, len(rows))

        content = b"\n".join(part)
        answer = send("POST", "/referrals/batch", params=query, content=content, headers=LINES, timeout=ANSWER_S)
        results = jobs.outcome(answer, tell)
        found += [replace(one, row=before + one.row, sent=part[one.row - 1]) for one in results]
        tell(len(found) - before, 0)
    return found


def _parts(rows: Sequence[bytes]) -> Iterator[list[bytes]]:
    part, size = list[bytes](), 0
    for row in rows:
        if part and (len(part) == MOST_ROWS or size + len(row) > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(row)
        size += len(row) + 1
    if part:
        yield part
