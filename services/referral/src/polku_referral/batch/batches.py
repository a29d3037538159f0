"""Many referrals at once (docs/decisions/0013): each row is read, checked and taken in as the single door does it.

A row never keeps another from its answer. What is dear, MongoDB and the vault, is asked once per round.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from math import ceil
from typing import Any, Literal

import pymongo
from pydantic import ValidationError

from polku_events.refusals import Refused
from polku_referral.desk import Desk
from polku_referral.files.rows import Row
from polku_referral.model.identity import holds_code
from polku_referral.repository import Kept
from polku_referral.submission import Accepted, Result, Submission, sha256
from polku_referral.texts import WRONG, as_problem
from polku_referral.wire import EXTERNAL_ID, ReferralIn
from polku_runtime.access import Principal
from polku_web.bodies import MAX_BYTES, too_large
from polku_web.problems import Error, Problem, from_validation
from polku_web.strict_json import read_json

ROUND = 200
"""Rows that are written together: large enough to share their round trips, small enough to leave others room."""
ROUND_SECONDS = 10.0
"""MongoDB's time for one round."""
TURN_S = 0.02
"""Reading goes on for so long before others get a turn: one row may hold as much as a hundred of the usual."""

Status = Literal["created", "repeated", "refused", "not-written", "valid"]
STATUSES: tuple[Status, ...] = ("created", "repeated", "refused", "not-written", "valid")


@dataclass(frozen=True)
class Outcome:
    """What became of one row. external_id: None when what stood there could be a person's. status `valid`: would be
    taken in; `not-written`: would have been, but for another row.
    """

    row: int
    external_id: str | None
    status: Status
    http_status: int
    id: str | None = None
    case_code: str | None = None
    receipt: str | None = None
    problem: Problem | None = None

    @property
    def is_new(self) -> bool:
        """True for one that is good and not in: `valid`, or the repeat of such a row."""
        return self.status == "valid" or (self.status == "repeated" and self.id is None)


@dataclass(frozen=True)
class Read:
    """One row as it was understood."""

    row: int
    external_id: str | None
    found: Submission | Problem


async def read(desk: Desk, who: Principal, rows: Sequence[Row], job_id: str | None = None) -> list[Read]:
    """Reads and checks rows as the single door does, without asking what was sent before.

    job_id: of the job that they belong to; see Submission.turn.
    """
    made, begun = [], float("-inf")
    for row in rows:
        if time.monotonic() - begun > TURN_S:
            await asyncio.sleep(0)
            begun = time.monotonic()
        one = await _read(desk, who, row)
        if job_id is not None and isinstance(one.found, Submission):
            one = replace(one, found=replace(one.found, turn=f"{job_id}:{row.number}"))
        made.append(one)
    return made


async def _read(desk: Desk, who: Principal, row: Row) -> Read:
    external_id = None
    try:
        value = _value(row)
        external_id = _own_id(value)
        body = _body(row, value)
        digest = row.sha256 or sha256(row.raw)
        return Read(row.number, external_id, await desk.submission(who, body, raw_sha256=digest))
    except Refused as refused:
        return Read(row.number, external_id, as_problem(refused))
    except Problem as problem:
        return Read(row.number, external_id, problem)


def _value(row: Row) -> Any:
    if len(row.raw) > MAX_BYTES:
        raise too_large()
    return read_json(row.raw)


def _body(row: Row, value: Any) -> ReferralIn:
    """Raises Problem with what the row's file and its body have wrong."""
    errors = [Error(_pointer(fault.column), fault.code, WRONG[fault.code]) for fault in row.faults]
    try:
        body = ReferralIn.model_validate(value, from_attributes=True)  # as FastAPI does, so that errors are the same
    except ValidationError as error:
        told = error.errors(include_input=False, include_url=False, include_context=True)
        problem = from_validation([{**one, "loc": ("body", *one["loc"])} for one in told])
        known = {one.pointer for one in errors}
        errors += [one for one in problem.errors if one.pointer not in known]
    else:
        if not errors:
            return body
    raise Problem(422, "invalid", errors=errors)


def _pointer(column: str) -> str:
    return "/" + column.replace(".", "/") if column else ""


def _own_id(value: Any) -> str | None:
    """The sender's id, to be said back, when it can be one and is no person's."""
    found = value.get("external_id") if isinstance(value, dict) else None
    return found if isinstance(found, str) and EXTERNAL_ID.fullmatch(found) and not holds_code(found) else None


async def take(desk: Desk, rows: Sequence[Read]) -> list[Outcome]:
    """Takes in what can be. All that is `created` is durable when this returns. Raises what MongoDB raises."""
    good = [one.found for one in rows if isinstance(one.found, Submission)]
    with pymongo.timeout(ROUND_SECONDS):
        results = iter(await desk.intake.receive_many(good) if good else [])
    return [_taken(one, one.found if isinstance(one.found, Problem) else next(results)) for one in rows]


async def check(desk: Desk, rows: Sequence[Read], said: dict[str, str]) -> list[Outcome]:
    """What `take` would do, also with several rows of one id. said: id → content of the batch's rows so far."""
    good = [one.found for one in rows if isinstance(one.found, Submission)]
    with pymongo.timeout(ROUND_SECONDS):
        foreseen = iter(await desk.intake.foreseen(good) if good else [])
    return [_foreseen(desk, one, None if isinstance(one.found, Problem) else next(foreseen), said) for one in rows]


async def take_whole(desk: Desk, rows: Sequence[Read]) -> list[Outcome]:
    """Takes all in or nothing of it: `valid` is what would have been taken in, but for another row.

    Of rows that were checked together and are good: those of one id say the same.
    """
    firsts: dict[str, Submission] = {}
    for row in rows:
        if isinstance(row.found, Submission):
            firsts.setdefault(row.found.body.external_id, row.found)
    with pymongo.timeout(ROUND_SECONDS * ceil(len(rows) / ROUND)):
        received = await desk.intake.receive_whole(list(firsts.values()))
    results = dict(zip(firsts, received, strict=True))
    outcomes = []
    for one in rows:
        name = one.external_id or ""
        result = results[name]
        outcomes.append(_valid(one) if result is None else _taken(one, result))
        if isinstance(result, Accepted):
            results[name] = replace(result, is_new=False)  # its other rows repeat it
    return outcomes


def _valid(one: Read) -> Outcome:
    return Outcome(one.row, one.external_id, "valid", HTTPStatus.OK)


def _taken(one: Read, result: Result | Problem) -> Outcome:
    if isinstance(result, Accepted):
        referral = result.referral
        status: Status = "created" if result.is_new else "repeated"
        http_status = HTTPStatus.CREATED if result.is_new else HTTPStatus.OK
        return Outcome(one.row, one.external_id, status, http_status, referral.id, referral.case_code, result.receipt)
    if isinstance(result, Refused):
        return refused(one, as_problem(result))
    return refused(one, result if isinstance(result, Problem) else Problem(500, "internal"))


def _foreseen(desk: Desk, one: Read, known: Kept | Refused | None, said: dict[str, str]) -> Outcome:
    if isinstance(one.found, Problem):
        return refused(one, one.found)
    if isinstance(known, Refused):
        return refused(one, as_problem(known))
    content, name = desk.intake.keeper.content(one.found), one.found.body.external_id
    is_first = name not in said
    if said.setdefault(name, content) != content:
        return refused(one, as_problem(Refused("idempotency-mismatch")))
    if known is not None:
        id_, code = known.referral.id, known.referral.case_code
        return Outcome(one.row, one.external_id, "repeated", HTTPStatus.OK, id_, code)
    return _valid(one) if is_first else replace(_valid(one), status="repeated")


def refused(one: Read, problem: Problem) -> Outcome:
    return Outcome(one.row, one.external_id, "refused", problem.status, problem=problem)


def kept_back(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The rows of a batch of which one is wrong, where that keeps all others out."""
    late: Mapping[str, Any] = {"status": "not-written", "http_status": HTTPStatus.FAILED_DEPENDENCY}
    return [replace(one, **late) if one.is_new else one for one in outcomes]


async def run(desk: Desk, who: Principal, rows: Sequence[Row], *, atomic: bool, dry_run: bool) -> list[Outcome]:
    """The whole of a batch that is answered at once.

    atomic: one row that is wrong keeps all out; they are written in one transaction.
    """
    understood = await read(desk, who, rows)
    rounds = [understood[begin : begin + ROUND] for begin in range(0, len(understood), ROUND)]
    if atomic or dry_run:
        said: dict[str, str] = {}
        outcomes = [one for round_ in rounds for one in await check(desk, round_, said)]
        if dry_run:
            return outcomes
        if not any(one.status == "refused" for one in outcomes):
            outcomes = await take_whole(desk, understood)
        return kept_back(outcomes)
    return [one for round_ in rounds for one in await take(desk, round_)]
