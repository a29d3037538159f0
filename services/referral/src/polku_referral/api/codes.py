"""Codes over HTTP: Polku's lists, and what an organisation's own codes stand for."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel
from starlette.requests import Request

from polku_events.refusals import Refused
from polku_referral.admin.codes import CodeAdmin
from polku_referral.api.commands import COMMAND
from polku_referral.api.referrals import BASE, AtDesk
from polku_referral.desk import Desk
from polku_referral.model.code_map import CodeMap
from polku_referral.texts import as_problem
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace
from polku_web.doors import expected_version, lost_race, staff, staff_or_client
from polku_web.problems import Problem

router = APIRouter(prefix=BASE, tags=["codes"])
Keeper = Annotated[Principal, Depends(staff("manager", "operator"))]


class CodeMapOut(CodeMap):
    """version: 0 while the organisation has no map; then only Polku's codes are taken."""

    version: int


class CodeMapChanged(CodeMapOut):
    """repaired: how many waiting referrals had codes that nobody knew, and that are known now."""

    repaired: int = 0


class CodeOut(BaseModel):
    code: str
    fi: str
    sv: str
    en: str


@router.get("/codes", dependencies=[Depends(staff_or_client())])
async def codes(desk: AtDesk) -> dict[str, list[CodeOut]]:
    """The code lists with labels in three languages, those in use today."""
    return {name: [CodeOut(**code) for code in listed] for name, listed in desk.codes.data(desk.today).items()}


@router.get("/organisations/{organisation_id}/codes")
async def code_map(response: Response, who: Keeper, desk: AtDesk, organisation_id: str) -> CodeMapOut:
    """What the organisation's own codes stand for. `ETag` holds the version that a change takes in `If-Match`."""
    del who
    return await _shown(response, desk, organisation_id)


@router.put("/organisations/{organisation_id}/codes", responses=COMMAND)
async def change_code_map(
    request: Request, response: Response, who: Keeper, desk: AtDesk, organisation_id: str, wish: CodeMap
) -> CodeMapChanged:
    """Replaces the map. Referrals that wait with a code that nobody knew are repaired when the new map knows it;
    what a code was read as before stays.
    """
    seen = expected_version(request)
    await _known(desk, organisation_id)
    try:
        repaired = await code_admin(desk).replace(who, organisation_id, wish, seen)
    except Refused as refused:
        raise as_problem(refused) from None
    except LostRace:
        raise lost_race((await _shown(response, desk, organisation_id)).model_dump(mode="json")) from None
    return CodeMapChanged(**(await _shown(response, desk, organisation_id)).model_dump(), repaired=repaired)


def code_admin(desk: Desk) -> CodeAdmin:
    return CodeAdmin(desk.code_maps, desk.repository, desk.audit, desk.codes, desk.today)


async def _known(desk: Desk, organisation_id: str) -> None:
    if await desk.directory.organisations.get(organisation_id) is None:
        raise Problem(404, "not-found")


async def _shown(response: Response, desk: Desk, organisation_id: str) -> CodeMapOut:
    await _known(desk, organisation_id)
    kept = await desk.code_maps.kept(organisation_id)
    response.headers["etag"] = f'"{kept.version}"'
    return CodeMapOut(**(kept.code_map or CodeMap()).model_dump(), version=kept.version)
