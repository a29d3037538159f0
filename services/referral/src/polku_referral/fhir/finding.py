"""HTTP of the FHIR door's searches: in the address, or as a form."""

from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from polku_referral.api.referrals import AtDesk
from polku_referral.desk import Desk
from polku_referral.fhir import search
from polku_referral.fhir.answers import answer
from polku_referral.fhir.caller import Reader, writer_for
from polku_referral.fhir.criteria import STATUS_SYSTEMS, Kind
from polku_referral.fhir.negotiation import acceptable
from polku_referral.fhir.outcomes import BASE
from polku_referral.repository import scope_of
from polku_runtime.access import Principal
from polku_web.bodies import Allowance
from polku_web.edge import DATABASE_SECONDS
from polku_web.paging import page
from polku_web.problems import Problem
from polku_web.strict_json import not_utf8

router = APIRouter(prefix=BASE, include_in_schema=False, dependencies=[Depends(acceptable)])

FORM = "application/x-www-form-urlencoded"
ALLOWANCES = {f"{BASE}/{kind}/_search": Allowance((FORM,), 16 * 1024, DATABASE_SECONDS) for kind in STATUS_SYSTEMS}


@router.get("/ServiceRequest")
@router.post("/ServiceRequest/_search")
async def find_orders(request: Request, who: Reader, desk: AtDesk) -> Response:
    """As find_tasks."""
    return await _found("ServiceRequest", request, who, desk)


@router.get("/Task")
@router.post("/Task/_search")
async def find_tasks(request: Request, who: Reader, desk: AtDesk) -> Response:
    """What has changed since: by `_lastUpdated`, oldest change first. As a form it says what the address would."""
    return await _found("Task", request, who, desk)


async def _found(kind: Kind, request: Request, who: Principal, desk: Desk) -> Response:
    writer = await writer_for(request)
    asked = search.asked(kind, [*request.query_params.multi_items(), *await _form(request)], writer)
    scope, repository, address = scope_of(who), desk.repository, f"{writer.base}/{kind}"
    total = await repository.count_where(scope, asked.filters) if asked.counted else None
    links = {"self": asked.link(address)}
    if asked.only_total:
        return answer(writer.searchset([], total, links))
    rows = await repository.where(scope, asked.filters + asked.beyond, asked.order, asked.part.fetch)
    part = page(rows, asked.part, lambda row: ((row.changed_at or row.received_at).isoformat(), row.id))
    if part.next is not None:
        links["next"] = asked.link(address, part.next)
    write = writer.task if kind == "Task" else writer.order
    return answer(writer.searchset([write(await desk.shown(who, row)) for row in part.items], total, links))


async def _form(request: Request) -> search.Given:
    """The parameters in the body of a search that is posted. Raises Problem 400."""
    try:
        return parse_qsl((await request.body()).decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise not_utf8() from None
    except ValueError:
        raise Problem(400, "malformed") from None
