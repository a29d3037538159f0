"""HTTP for machines and for the pages' own scripts: public-surface §4."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from starlette.requests import Request

from polku_events.refusals import Refused
from polku_referral.desk import Desk
from polku_referral.model.identity import holds_code
from polku_referral.model.referral import Referral, State
from polku_referral.person_wire import PersonOut
from polku_referral.repository import Kept
from polku_referral.submission import sha256
from polku_referral.texts import as_problem
from polku_referral.views import PROJECT
from polku_referral.wire import DryRunOut, MessageOut, NamesOut, ReferralIn, ReferralList, ReferralOut
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace
from polku_web.doors import client, lost_race, staff, staff_or_client
from polku_web.i18n import msg
from polku_web.paging import Window, link, window
from polku_web.problems import Error, Problem

BASE = "/referral/api/v1"
MAX_NAMES = 100
REPEATED = "Makes a repeat safe, as `external_id` does; for tools that send it anyhow"
KEY = re.compile(r'"?([A-Za-z0-9._:-]{1,100})"?')
router = APIRouter(prefix=BASE, tags=["referrals"])

ReferralId = Annotated[str, Path(description="`id`, as the answer to the POST gave it")]
Standing = Literal[State, "late"]
Whose = Literal["own", "all"]
Sender = Annotated[Principal, Depends(client("referrals:write"))]
Reader = Annotated[Principal, Depends(staff_or_client(roles=(*PROJECT, "referrer"), scopes=("referrals:read",)))]
Coordinator = Annotated[Principal, Depends(staff(*PROJECT))]


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(desk_of)]


@router.post(
    "/referrals",
    status_code=201,
    response_model=ReferralOut | DryRunOut,
    responses={200: {"description": "The same was sent before, or a dry run", "model": ReferralOut | DryRunOut}},
)
async def receive(
    request: Request,
    response: Response,
    who: Sender,
    desk: AtDesk,
    body: ReferralIn,
    idempotency_key: Annotated[
        str | None,
        Header(alias="Idempotency-Key", description=REPEATED, json_schema_extra={"pattern": f"^{KEY.pattern}$"}),
    ] = None,
    dry_run: Annotated[bool, Query(description="Validate all and keep nothing")] = False,
) -> ReferralOut | DryRunOut:
    """Takes a referral in. Repeating is safe: the same content gets the same answer."""
    async with refusals(who, desk):
        key, raw = _key(idempotency_key), await request.body()
        submission = await desk.submission(who, body, raw_sha256=sha256(raw), idempotency_key=key)
        if dry_run:
            response.status_code = 200
            exists = await desk.intake.known(submission)
            return DryRunOut(exists=exists, mapped=submission.mapped, unmapped=submission.unmapped)
        accepted = await desk.intake.receive(submission)
    if not accepted.is_new:
        response.status_code = 200
    response.headers["location"] = f"{BASE}/referrals/{accepted.referral.id}"
    return await shown(response, who, desk, accepted.referral, receipt=accepted.receipt)


@router.get("/referrals")
async def list_referrals(
    request: Request,
    response: Response,
    who: Reader,
    desk: AtDesk,
    part: Annotated[Window, Depends(window)],
    state: Annotated[Standing | None, Query(description="`late`: not answered in time, and still waiting")] = None,
    external_id: Annotated[str | None, Query(min_length=1, max_length=100, description="The sender's own id")] = None,
    whose: Annotated[Whose, Query(description="Those in the reader's own case-load, or all")] = "all",
) -> ReferralList:
    """The caller's referrals; those that wait are in the order in which an answer is due."""
    found = await desk.listed(who, part, state=state, external_id=external_id, own=whose == "own")
    link(request, response, found.next)
    return ReferralList(items=[await desk.shown(who, row) for row in found.items], next=found.next)


@router.get("/referrals/{referral_id}")
async def one_referral(response: Response, who: Reader, desk: AtDesk, referral_id: ReferralId) -> ReferralOut:
    """Where one referral stands, and what both sides wrote. `ETag` holds the version that commands take in `If-Match`.

    Every reading of what was written is written down.
    """
    kept = await desk.find(who, referral_id)
    messages = await desk.messages(who, kept)
    receipt = await desk.receipt(kept) if who.kind == "client" else None
    return await shown(response, who, desk, kept.referral, receipt=receipt, messages=messages)


@router.get("/referrals/{referral_id}/person")
async def person(who: Coordinator, desk: AtDesk, referral_id: ReferralId) -> PersonOut:
    """The person and what the sender told. Every look is written down."""
    kept: Kept = await desk.find(who, referral_id)
    opened = await desk.open_person(who, kept)
    return PersonOut.model_validate({"person_id": kept.referral.person_id, **vars(opened)})


@router.get("/names")
async def names(
    who: Annotated[Principal, Depends(staff("coordinator", "manager", "coach"))],
    desk: AtDesk,
    person: Annotated[list[str], Query(max_length=MAX_NAMES)],
) -> NamesOut:
    """Names for other services' pages, under the reader's own rights."""
    return NamesOut(names=await desk.names(who, person))


def _key(header: str | None) -> str | None:
    """Idempotency-Key: a structured-field string, so quoted; taken unquoted too."""
    if header is None:
        return None
    found = KEY.fullmatch(header.strip())
    if found is None or holds_code(found[1]):
        error = Error("/Idempotency-Key", "not-valid", msg("This value is not valid."), "header")
        raise Problem(400, "malformed", errors=[error])
    return found[1]


async def shown(
    response: Response,
    who: Principal,
    desk: Desk,
    referral: Referral,
    receipt: str | None = None,
    messages: Sequence[MessageOut] = (),
) -> ReferralOut:
    """The referral as this caller sees it, with its version as `ETag`."""
    response.headers["etag"] = f'"{referral.version}"'
    return await desk.shown(who, referral, receipt=receipt, messages=messages)


@asynccontextmanager
async def refusals(who: Principal, desk: Desk) -> AsyncIterator[None]:
    """Tells a rule's or a race's no as a problem; the winner's state is shown as this caller sees it."""
    try:
        yield
    except LostRace as lost:
        present = lost.present if isinstance(lost.present, Referral) else None
        told = (await desk.shown(who, present)).model_dump(mode="json") if present is not None else None
        raise lost_race(told) from None
    except Refused as refused:
        raise as_problem(refused) from None
