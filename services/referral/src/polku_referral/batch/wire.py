"""What a sender hears of a batch and of a job."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request

from polku_referral.batch.batches import STATUSES, Outcome, Status
from polku_referral.batch.job import Job, State
from polku_referral.wire import LinkOut
from polku_web.answers import told
from polku_web.problems import Problem, ProblemBody, ProblemError

API = "/referral/api/v1"


class RowError(ProblemError):
    """column: of a file, as its heading spells it."""

    column: str | None = None


class RowProblem(ProblemBody):
    """The problem that the row would have got by itself."""

    errors: list[RowError] | None = None  # type: ignore[assignment]


class RowOut(BaseModel):
    """What became of one row. row: from 1, of the element or the line. http_status: what the row would have got by
    itself; 424 for one that was not written because of another. receipt: over the row's own bytes.
    """

    row: int
    external_id: str | None = Field(description="Absent when what stood there is no id, or could be a person's")
    status: Status
    http_status: int
    id: str | None = None
    case_code: str | None = None
    location: str | None = None
    receipt: str | None = None
    problem: RowProblem | None = None


class CountsOut(BaseModel):
    """Rows by status."""

    created: int = 0
    repeated: int = 0
    refused: int = 0
    not_written: int = 0
    valid: int = 0


class BatchOut(BaseModel):
    """One result per row, in order. counts: how many came to what."""

    rows: int
    dry_run: bool
    atomic: str
    counts: CountsOut
    results: list[RowOut]


class JobOut(BaseModel):
    """Where a job stands. done: rows of `total` whose result is there; checked: of a job that is all or nothing, rows
    that have been checked before anything is written. eta: when it will be done at the present pace. Results are kept
    until expires_at.
    """

    id: str
    state: State
    dry_run: bool
    atomic: str
    total: int
    done: int
    checked: int | None = None
    counts: CountsOut
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    eta: datetime | None = None
    expires_at: datetime | None = None
    links: dict[str, LinkOut]


class ResultsOut(BaseModel):
    """Results in the order of the rows. next: the cursor to go on with, also while the job is not done yet."""

    items: list[RowOut]
    next: str | None


def counted(outcomes: Iterable[Outcome]) -> CountsOut:
    return counts_out(Counter(one.status for one in outcomes))


def counts_out(counts: Mapping[Status, int] | Mapping[str, int]) -> CountsOut:
    return CountsOut(**{status.replace("-", "_"): counts.get(status, 0) for status in STATUSES})


def atomicity(*, atomic: bool) -> str:
    return "all" if atomic else "item"


def row_out(request: Request, one: Outcome, columns: Mapping[str, str] | None = None) -> dict[str, Any]:
    """As RowOut, in the reader's language. columns: of a file, path → heading."""
    said: dict[str, Any] = {"row": one.row, "external_id": one.external_id, "status": one.status}
    said["http_status"] = int(one.http_status)
    if one.id is not None:
        said |= {"id": one.id, "case_code": one.case_code, "location": f"{API}/referrals/{one.id}"}
    if one.receipt is not None:
        said["receipt"] = one.receipt
    if one.problem is not None:
        said["problem"] = problem_out(request, one.problem, columns)
    return said


def problem_out(request: Request, problem: Problem, columns: Mapping[str, str] | None) -> dict[str, Any]:
    said = told(request, problem)
    for error in said.get("errors", []) if columns else []:
        found = column_of(error["pointer"], columns or {})
        if found is not None:
            error["column"] = found
    return said


def column_of(pointer: str, columns: Mapping[str, str]) -> str | None:
    """The heading under which stands what a pointer leads to; `/reason/goals/0` is in the column of `reason.goals`."""
    path = pointer.strip("/").replace("/", ".")
    while path and path not in columns:
        path = path.rpartition(".")[0]
    return columns.get(path)


def job_out(job: Job, counts: Mapping[str, int], now: datetime) -> JobOut:
    done = sum(counts.values())
    address = f"{API}/jobs/{job.id}"
    links = {"self": LinkOut(href=address), "results": LinkOut(href=f"{address}/results")}
    is_underway = job.state == "running" and job.started_at is not None and done > 0
    return JobOut(
        id=job.id,
        state=job.state,
        dry_run=job.wish.dry_run,
        atomic=atomicity(atomic=job.wish.atomic),
        total=job.total,
        done=0 if job.is_checking else done,
        checked=done if job.is_checking else None,
        counts=counts_out({} if job.is_checking else counts),
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        eta=now + (now - job.started_at) / done * (job.total - done) if is_underway and job.started_at else None,
        expires_at=job.expires_at,
        links=links,
    )
