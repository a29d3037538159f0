"""HTML for managers and operators: what an organisation's own codes stand for, and which ones nobody knows yet.

An own code is in no address: what a sender writes there might say anything.
"""

import re
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from polku_referral.admin import texts as words
from polku_referral.admin.codes import learnt, without
from polku_referral.admin.pages import PLACE, AtAdmin, Keeper, Trouble, attempt, form
from polku_referral.api.codes import code_admin
from polku_referral.api.referrals import AtDesk
from polku_referral.desk import Desk
from polku_referral.model.code_map import CodeMap
from polku_referral.model.directory import Organisation
from polku_referral.model.identity import holds_code
from polku_referral.pages import seen_in
from polku_runtime.access import Principal
from polku_web.forms import Fields, chosen, typed
from polku_web.problems import Problem

router = APIRouter(prefix=f"{PLACE}/{{organisation_id}}/codes", include_in_schema=False)
NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)


@router.get("")
async def one_map(
    request: Request, who: Keeper, admin: AtAdmin, desk: AtDesk, organisation_id: str, repaired: str = ""
) -> HTMLResponse:
    """repaired: how many referrals the change that led here has repaired."""
    del who
    known = await admin.organisation(organisation_id)
    done = int(repaired) if NUMBER.fullmatch(repaired) else None
    return await _page(request, desk, known, repaired=done)


@router.post("/map")
async def map_code(request: Request, who: Keeper, admin: AtAdmin, desk: AtDesk, organisation_id: str) -> Response:
    """A code gets a meaning, or another one."""
    values, field = await typed(request), await _field(request)
    # One that is there already, or waits, is taken as it stands: spaces around it may be the sender's.
    own = (await chosen(request, "known") or [values["own"]])[0]

    def change(present: CodeMap) -> CodeMap:
        return learnt(present, field, own, values["ours"], desk.codes)

    return await _changed(request, who, desk, await admin.organisation(organisation_id), values, change)


@router.post("/remove")
async def remove_code(request: Request, who: Keeper, admin: AtAdmin, desk: AtDesk, organisation_id: str) -> Response:
    """What was read by the code stays; what comes with it from now on is unknown."""
    values, field = await typed(request), await _field(request)
    own = (await chosen(request, "known") or [""])[0]
    known = await admin.organisation(organisation_id)
    return await _changed(request, who, desk, known, values, lambda present: without(present, field, own))


@router.post("/unknown")
async def treat_unknown(request: Request, who: Keeper, admin: AtAdmin, desk: AtDesk, organisation_id: str) -> Response:
    """What happens to referrals with a code that nobody knows."""
    values = await typed(request)
    known = await admin.organisation(organisation_id)

    def change(present: CodeMap) -> CodeMap:
        return CodeMap.model_validate({**present.model_dump(), "unknown": values["unknown"]})

    return await _changed(request, who, desk, known, values, change)


async def _field(request: Request) -> str:
    """Raises Problem 404: no such list."""
    field = (await typed(request))["field"]
    if field not in words.MAPPED:
        raise Problem(404, "not-found")
    return field


async def _changed(
    request: Request,
    who: Principal,
    desk: Desk,
    known: Organisation,
    values: Fields,
    change: Callable[[CodeMap], CodeMap],
) -> Response:
    async def work() -> str:
        present = (await desk.code_maps.kept(known.id)).code_map or CodeMap()
        repaired = await code_admin(desk).replace(who, known.id, change(present), seen_in(values))
        return f"{PLACE}/{known.id}/codes?repaired={repaired}"

    found = await attempt(work)
    if isinstance(found, str):
        return RedirectResponse(found, 303)
    return await _page(request, desk, known, trouble=found, values=values)


async def _page(
    request: Request,
    desk: Desk,
    known: Organisation,
    *,
    repaired: int | None = None,
    trouble: Trouble | None = None,
    values: Fields | None = None,
) -> HTMLResponse:
    kept, sent = await desk.code_maps.kept(known.id), values or Fields()
    if trouble is not None:
        # Each code has a form of its own; what is wrong stands beside the field of the one that was sent.
        wrong = {f"{sent['at']}{'-own' if name == 'own' else ''}": text for name, text in trouble.wrong.items()}
        trouble = trouble._replace(wrong=wrong)
    if holds_code(sent["own"]):
        sent = Fields({**sent, "own": ""})  # somebody's identity code is not shown again
    context: dict[str, Any] = {
        "known": known,
        "map": kept.code_map or CodeMap(),
        "version": kept.version,
        "waiting": await desk.code_maps.waiting(known.id),
        "repaired": repaired,
        "values": sent,
        "codes": desk.codes,
        "today": desk.today,
    }
    return form(request, "codes.html", trouble, **context)
