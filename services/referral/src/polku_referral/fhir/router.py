"""HTTP of the FHIR R4 door (docs/fhir.md): the rights, the intake and the commands are those of the JSON door."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from polku_events.refusals import Refused
from polku_referral import sending
from polku_referral.api.referrals import AtDesk
from polku_referral.desk import Desk
from polku_referral.fhir import criteria, outcomes
from polku_referral.fhir.answers import after_change, answer, entry, preferred
from polku_referral.fhir.caller import Reader, Sender, writer_for
from polku_referral.fhir.capability import capability
from polku_referral.fhir.models import written
from polku_referral.fhir.negotiation import acceptable, plain
from polku_referral.fhir.outcomes import BASE
from polku_referral.fhir.reading import read
from polku_referral.fhir.told import Told
from polku_referral.fhir.updating import Wish, refuse_other_changes, wish_of
from polku_referral.fhir.writing import Writer
from polku_referral.model.referral import Referral
from polku_referral.submission import Submission, sha256
from polku_referral.texts import WRONG, as_problem
from polku_referral.wire import ReferralIn, ReferralOut
from polku_referral.wishes import AnswerIn, WithdrawIn
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace
from polku_web.doors import expected_version
from polku_web.i18n import msg
from polku_web.paging import Window
from polku_web.problems import Error, Problem, from_validation

router = APIRouter(prefix=BASE, include_in_schema=False, dependencies=[Depends(acceptable), Depends(plain)])

Sent = Mapping[str, Any]
TAKEN_BACK = ("accepted", "withdrawal-requested", "concluded")
"""States in which the sender asks for what it could take back before."""
ALONE = msg("Send the ServiceRequest itself, or Parameters with it as the only parameter, named resource.")


@router.get("/metadata")
async def metadata(request: Request) -> Response:
    """What this door can do, for everybody."""
    origin = request.app.state.settings.base_url
    return answer(capability(origin, origin + BASE))


@router.post("/ServiceRequest")
async def create(
    request: Request, who: Sender, desk: AtDesk, if_none_exist: Annotated[str | None, Header()] = None
) -> Response:
    """One referral. Repeating is safe: the same content gets the same answer."""
    writer = await writer_for(request)
    sent = await _sent(request, "ServiceRequest")
    shown, is_new = await _taken(request, who, desk, writer, sent, lambda _: if_none_exist)
    headers = {"location": f"{writer.base}/ServiceRequest/{shown.id}"}
    return after_change(request, writer.order(shown), shown, 201 if is_new else 200, headers)


@router.post("/ServiceRequest/$validate")
async def validate(request: Request, who: Sender, desk: AtDesk) -> Response:
    """Checks all and keeps nothing. What is wrong is told with 200, as FHIR has it: the check itself was done."""
    writer = await writer_for(request)
    sent = _alone(await _sent(request, "ServiceRequest", "Parameters"))
    try:
        body, told = read(sent, writer.own, writer.organisation_id)
        with _refusals(told):
            await desk.intake.known(await _submission(request, who, desk, body))
    except Problem as problem:
        if problem.status != 422:
            raise
        return outcomes.answer(request, problem, 200)
    return answer(outcomes.all_well())


@router.post("")
@router.post("/")
async def transaction(request: Request, who: Sender, desk: AtDesk) -> Response:
    """One referral with all that belongs to it, all or nothing."""
    writer = await writer_for(request)
    sent = await _sent(request, "Bundle")
    shown, is_new = await _taken(request, who, desk, writer, sent, _condition)
    kept = {"ServiceRequest": writer.order(shown), "Task": writer.task(shown)}
    kinds, wish = [one["resource"]["resourceType"] for one in sent["entry"]], preferred(request)
    told = [entry(kept.get(kind), shown, is_new, writer.base, wish) for kind in kinds]
    return answer({"resourceType": "Bundle", "type": "transaction-response", "entry": told})


@router.get("/ServiceRequest/{referral_id}")
async def one_order(request: Request, who: Reader, desk: AtDesk, referral_id: str) -> Response:
    """What was asked for, with the receipt."""
    writer = await writer_for(request)
    kept = await desk.find(who, referral_id)
    shown = await desk.shown(who, kept.referral, receipt=await desk.receipt(kept))
    return answer(writer.order(shown), shown)


@router.get("/Task/{referral_id}")
async def one_task(request: Request, who: Reader, desk: AtDesk, referral_id: str) -> Response:
    """Where it stands. `ETag` holds the version that an update takes in `If-Match`."""
    writer = await writer_for(request)
    shown = await _with_messages(desk, who, referral_id)
    return answer(writer.task(shown), shown)


@router.put("/Task/{referral_id}")
async def update_task(request: Request, who: Sender, desk: AtDesk, referral_id: str) -> Response:
    """The sender takes the referral back, asks for it, or answers a question. Raises Problem 412 after a lost race."""
    writer = await writer_for(request)
    sent = await _sent(request, "Task")
    shown = await _with_messages(desk, who, referral_id)
    seen = _seen(request, sent)
    wish, told = wish_of(sent, writer.own, shown, seen)
    if sent.get("id") != referral_id:
        raise Problem(400, "invalid", errors=[_unlike("/id")])  # the status is FHIR's own
    if seen == shown.version:
        present = json.loads(written(writer.task(shown)))
        refuse_other_changes(sent, present)
        if isinstance(wish, WithdrawIn) and sent["status"] == present["status"]:
            wish = None
    elif wish is None:
        raise Problem(412, "lost-race")
    if wish is not None:
        with _refusals(told):
            await _command(desk, who, shown, seen, wish)
        shown = await _with_messages(desk, who, referral_id)
    headers = {"content-location": f"{writer.base}/Task/{shown.id}"}  # libraries read the id out of a header
    return after_change(request, writer.task(shown), shown, headers=headers)


async def _with_messages(desk: Desk, who: Principal, referral_id: str) -> ReferralOut:
    kept = await desk.find(who, referral_id)
    return await desk.shown(who, kept.referral, messages=await desk.messages(who, kept))


async def _command(desk: Desk, who: Principal, shown: ReferralOut, seen: int, wish: Wish) -> Referral:
    if isinstance(wish, AnswerIn):
        return await sending.answer(desk, who, shown.id, seen, wish)
    command = sending.request_withdrawal if shown.state in TAKEN_BACK else sending.withdraw
    return await command(desk, who, shown.id, seen, wish)


async def _taken(
    request: Request, who: Principal, desk: Desk, writer: Writer, sent: Sent, condition_of: Callable[[Sent], str | None]
) -> tuple[ReferralOut, bool]:
    """The referral as its sender sees it, and whether it is new."""
    body, told = read(sent, writer.own, writer.organisation_id)
    condition = condition_of(sent)
    if condition is not None:
        external_id = criteria.only_identifier(condition, writer)
        found = await desk.listed(who, Window(None, 1), state=None, external_id=external_id) if external_id else None
        if found is not None and found.items:
            kept = await desk.find(who, found.items[0].id)
            return await desk.shown(who, kept.referral, receipt=await desk.receipt(kept)), False
    with _refusals(told):
        accepted = await desk.intake.receive(await _submission(request, who, desk, body))
    return await desk.shown(who, accepted.referral, receipt=accepted.receipt), accepted.is_new


async def _submission(request: Request, who: Principal, desk: Desk, body: ReferralIn) -> Submission:
    return await desk.submission(who, body, raw_sha256=sha256(await request.body()), idempotency_key=None)


async def _sent(request: Request, *kinds: str) -> dict[str, Any]:
    """The body, which the edge has found to be strict JSON. Raises Problem 422 unless it says to be of such a kind."""
    raw = await request.body()
    sent = json.loads(raw) if raw else None
    if not isinstance(sent, dict):
        raise from_validation([{"type": "model_type" if raw else "missing", "loc": ("body",)}])
    if sent.get("resourceType") not in kinds:
        raise Problem(422, "invalid", errors=[_unlike("/resourceType")])
    return sent


def _alone(sent: dict[str, Any]) -> dict[str, Any]:
    """What an operation is asked about: the resource itself, or as many libraries send it, the only one of Parameters.

    Raises Problem 422 when there is more: with a profile or a mode another check is meant than the one done here.
    """
    if sent["resourceType"] != "Parameters":
        return sent
    match sent.get("parameter"):
        case [{"name": "resource", "resource": dict(inner), **more}] if not more and _is_order(inner):
            return inner
    raise Problem(422, "invalid", ALONE)


def _is_order(resource: dict[str, Any]) -> bool:
    return resource.get("resourceType") == "ServiceRequest"


def _unlike(pointer: str) -> Error:
    return Error(pointer, "not-valid", WRONG["not-valid"])


def _condition(bundle: Sent) -> str | None:
    """`ifNoneExist` of the ServiceRequest's entry. bundle: one that was read."""
    requests = (entry["request"] for entry in bundle["entry"])
    return next((one.get("ifNoneExist") for one in requests if one["url"] == "ServiceRequest"), None)


def _seen(request: Request, sent: Sent) -> int:
    """The version in `If-Match`; without one that of the Task that is sent back. Raises Problem 428 without both."""
    meta = sent.get("meta")
    stated = meta.get("versionId") if isinstance(meta, dict) else None
    if "if-match" not in request.headers and isinstance(stated, str) and stated.isascii() and stated.isdigit():
        return int(stated[:9])
    return expected_version(request)


@contextmanager
def _refusals(told: Told) -> Iterator[None]:
    """Tells a rule's no at the element that it is about; a lost race as FHIR tells it."""
    try:
        yield
    except LostRace:
        raise Problem(412, "lost-race") from None
    except Refused as refused:
        problem = as_problem(refused)
        problem.errors = tuple(told.placed(error) for error in problem.errors)
        raise problem from None
