"""HTTP of files: CSV and XLSX as spreadsheets write them, first checked, then taken in (docs/decisions/0013)."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from starlette.requests import Request

from polku_referral.api.referrals import BASE, AtDesk, Reader, Sender
from polku_referral.batch.api import (
    ANSWERS,
    MOST,
    AtJobs,
    Prefer,
    batch_response,
    job_of,
    name_referrals,
    received,
    wants_job,
)
from polku_referral.batch.batches import Outcome, Status
from polku_referral.batch.job import Wish
from polku_referral.batch.jobs_store import JobStore
from polku_referral.batch.wire import problem_out
from polku_referral.desk import Desk
from polku_referral.files.apart import Workbooks
from polku_referral.files.columns import Labels, Layout, columns, is_known, labels_of, layout, rows_of
from polku_referral.files.comma import read_csv, write_csv
from polku_referral.files.copy import copied
from polku_referral.files.rows import Row
from polku_referral.files.table import CSV, XLSX, Table
from polku_referral.submission import sha256
from polku_runtime.access import Principal
from polku_web.bodies import Allowance, media_type
from polku_web.i18n import Message, msg
from polku_web.problems import Error, Problem

IMPORT = f"{BASE}/referrals/import"
ALLOWANCES = {IMPORT: Allowance(types=(CSV, XLSX), max_bytes=32 * 1024 * 1024)}
AT_A_TIME = 200
"""Lines that are turned into rows before others get a turn."""

VERDICTS: Mapping[Status, Message] = {
    "created": msg("taken in"),
    "repeated": msg("sent before"),
    "refused": msg("to be corrected"),
    "not-written": msg("not taken in yet"),
    "valid": msg("in order"),
}

router = APIRouter(prefix=BASE, tags=["batches"])
SCHEMA = {"type": "string", "format": "binary"}
BODY = {"requestBody": {"required": True, "content": {CSV: {"schema": SCHEMA}, XLSX: {"schema": SCHEMA}}}}
COPY = {CSV: {"schema": SCHEMA, "example": "tila;virhe"}, XLSX: {"schema": SCHEMA, "example": "PK…"}}
COPIED = {**ANSWERS, 200: {**ANSWERS[200], "content": COPY}}
EMPTY = {CSV: {"schema": SCHEMA, "example": "external_id*;programme*;route*"}}


@router.post("/referrals/import", response_model=None, responses=COPIED, openapi_extra=BODY)
async def import_file(
    request: Request,
    who: Sender,
    desk: AtDesk,
    jobs: AtJobs,
    mode: Annotated[Literal["check", "confirm"], Query(description="`check` keeps nothing")] = "check",
    valid_rows: Annotated[bool, Query(description="Take the good rows although others are wrong")] = False,
    report: Annotated[
        Literal["rows", "copy"] | None, Query(description="`copy`: the file again, with columns `tila` and `virhe`")
    ] = None,
    job: Annotated[
        str | None,
        Query(description="Of a file that became a job: the copy of the same file, sent again; keeps nothing"),
    ] = None,
    prefer: Prefer = "",
) -> Response:
    """Checks or takes in a CSV or XLSX file of referrals, one per line.

    `row` in the answer is the line as a spreadsheet shows it. Up to 1 000 lines are answered at once, as rows or, by
    `report=copy` or `Accept`, as a copy of the file; more become a job, and the same file sent again with `job` comes
    back as a copy. Every receipt is over the whole file.
    """
    raw = b"".join([part async for part in request.stream()])
    table = await _read(request, raw)
    digest = desk.intake.keeper.master.content(raw)
    if job is not None:
        outcomes = await _outcomes(desk, jobs, who, job, digest)
        of_job = _copy_kind(request, table, "copy") or table.kind
        return await asyncio.to_thread(_copy, request, table, outcomes, of_job)
    found = layout(table.headings)
    labels = labels_of(desk.codes, await desk.code_maps.of(who.organisation_id or ""))
    wish = Wish(atomic=not valid_rows, dry_run=mode == "check", columns=dict(found.headings), file=digest)
    rows = _rows(table, found, labels, sha256(raw))
    answer = await received(who, desk, jobs, rows, wish, wants_job=wants_job(prefer))
    if isinstance(answer, Response):
        return answer
    name_referrals(request, answer, wish)
    kind = _copy_kind(request, table, report)
    return batch_response(request, answer, wish, wish.columns) if kind is None else _copy(request, table, answer, kind)


@router.get(
    "/referrals/import/template.csv",
    response_class=Response,
    responses={200: {"description": "Headings in the reader's language", "content": EMPTY}},
)
async def template(request: Request, who: Reader) -> Response:
    """An empty file to fill in, with every column that there is; those of needed columns come with a star."""
    del who
    lang = request.state.lang
    headings = [one.name(path, lang) + ("*" if one.needed else "") for path, one in columns().items()]
    return _file(write_csv([headings], "utf-8-sig", ";"), "csv", "utf-8-sig")


async def _outcomes(desk: Desk, jobs: JobStore, who: Principal, job_id: str, digest: str) -> list[Outcome]:
    """As far as the job has come. Raises Problem 404, and 422 for another file than the job's."""
    job = await job_of(desk, jobs, who, job_id)
    if job.wish.file != digest:
        raise Problem(422, "invalid", errors=[Error("/job", "other-file", msg("The job is of another file."))])
    return [] if job.is_checking else [one for _, one in await jobs.results(job, (0, 0), MOST)]


async def _read(request: Request, raw: bytes) -> Table:
    """A large one takes seconds."""
    if media_type(request.headers) == XLSX:
        workbooks: Workbooks = request.app.state.workbooks
        return await workbooks.read(raw)
    return await asyncio.to_thread(read_csv, raw, is_known)


async def _rows(table: Table, found: Layout, labels: Labels, digest: str) -> AsyncIterator[Row]:
    for place, row in enumerate(rows_of(table, found, labels, digest)):
        if place % AT_A_TIME == 0:
            await asyncio.sleep(0)
        yield row


def _copy_kind(request: Request, table: Table, report: str | None) -> str | None:
    """What kind of file is asked for; None: no file."""
    accepts = request.headers.get("accept", "")
    asked = next((kind for kind, type_ in (("csv", CSV), ("xlsx", XLSX)) if type_ in accepts), None)
    if report == "rows":
        return None
    return asked or (table.kind if report == "copy" else None)


def _copy(request: Request, table: Table, outcomes: Sequence[Outcome], kind: str) -> Response:
    columns_ = layout(table.headings).headings
    return _file(copied(table, dict(_verdicts(request, outcomes, columns_)), kind), kind, table.encoding)


def _verdicts(
    request: Request, outcomes: Sequence[Outcome], headings: Mapping[str, str]
) -> Iterator[tuple[int, tuple[str, str]]]:
    texts, lang = request.app.state.pages.texts, request.state.lang
    for one in outcomes:
        why: list[str] = []
        if one.problem is not None:
            said = problem_out(request, one.problem, headings)
            why = [f"{error.get('column') or error['pointer']}: {error['message']}" for error in said.get("errors", [])]
            why = why or [said.get("detail") or said["title"]]
        yield one.row, (texts.say(lang, VERDICTS[one.status]), " | ".join(why))


def _file(content: bytes, kind: str, encoding: str) -> Response:
    charset = {"cp1252": "windows-1252", "utf-16": "utf-16"}.get(encoding, "utf-8")
    headers = {
        "content-disposition": f'attachment; filename="referrals.{kind}"',
        "content-type": f"{CSV}; charset={charset}" if kind == "csv" else XLSX,
    }
    return Response(content, headers=headers)
