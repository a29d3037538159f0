"""HTTP for machines: everything that the pages offer, under the same rights."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field
from starlette.requests import Request

from polku_events.base import Code
from polku_events.refusals import Refused
from polku_pathway import queries, views
from polku_pathway.commands import Amend, AnyCommand, ChangeStage, Command, End, Reopen, Start
from polku_pathway.desk import Desk
from polku_pathway.model.pathway import Pathway
from polku_pathway.texts import as_problem
from polku_pathway.views import ExceptionView, PathwayDetail, PathwayList
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace
from polku_web.doors import expected_version, lost_race, staff
from polku_web.paging import link

BASE = "/pathway/api/v1"
router = APIRouter(prefix=BASE, tags=["pathways"])

Reader = Annotated[Principal, Depends(staff("coordinator", "manager"))]


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(desk_of)]


class AskException(Command):
    """Why the reader needs another coordinator's case. note: in own words, needed when the reason is `other`."""

    case_code: Annotated[str, Field(min_length=1, max_length=12)]
    reason: Code
    note: Annotated[str, Field(max_length=300)] = ""


@router.get("/pathways")
async def list_pathways(
    request: Request,
    response: Response,
    who: Reader,
    desk: AtDesk,
    query: queries.AskedList,
    part: queries.AskedWindow,
) -> PathwayList:
    """The reader's case-load, or all that the reader may see; by cursor."""
    found = await queries.read(desk, who, query.wanted(who), part)
    link(request, response, found.next)
    return PathwayList(items=[views.summary(desk, pathway) for pathway in found.items], next=found.next)


@router.get("/pathways/{pathway_id}")
async def one_pathway(response: Response, who: Reader, desk: AtDesk, pathway_id: str) -> PathwayDetail:
    """The pathway with its timeline. `ETag` holds the version that commands take in `If-Match`."""
    pathway, _ = await desk.find(who, pathway_id)
    return _shown(response, desk, pathway)


@router.get("/pathways/{pathway_id}/exceptions")
async def exceptions(who: Reader, desk: AtDesk, pathway_id: str) -> list[ExceptionView]:
    """Who has looked into the case by exception, newest first."""
    pathway, _ = await desk.find(who, pathway_id)
    return [views.exception(row) for row in await desk.pathways.exceptions_of(pathway.id)]


@router.post("/pathways/{pathway_id}/start")
async def start(
    request: Request, response: Response, who: Reader, desk: AtDesk, pathway_id: str, command: Start
) -> PathwayDetail:
    """Participation begins with its entry data."""
    return await _carry_out(request, response, who, desk, pathway_id, command)


@router.post("/pathways/{pathway_id}/stage")
async def change_stage(
    request: Request, response: Response, who: Reader, desk: AtDesk, pathway_id: str, command: ChangeStage
) -> PathwayDetail:
    """The person moves to another stage."""
    return await _carry_out(request, response, who, desk, pathway_id, command)


@router.post("/pathways/{pathway_id}/end")
async def end(
    request: Request, response: Response, who: Reader, desk: AtDesk, pathway_id: str, command: End
) -> PathwayDetail:
    """Participation ends with its exit data and the pathway closes; before the start it only closes."""
    return await _carry_out(request, response, who, desk, pathway_id, command)


@router.post("/pathways/{pathway_id}/amend")
async def amend(
    request: Request, response: Response, who: Reader, desk: AtDesk, pathway_id: str, command: Amend
) -> PathwayDetail:
    """Entry or exit data are corrected; old and new stay in the timeline."""
    return await _carry_out(request, response, who, desk, pathway_id, command)


@router.post("/pathways/{pathway_id}/reopen")
async def reopen(
    request: Request, response: Response, who: Reader, desk: AtDesk, pathway_id: str, command: Reopen
) -> PathwayDetail:
    """A closed pathway goes on in the stage that it was left from."""
    return await _carry_out(request, response, who, desk, pathway_id, command)


@router.post("/exceptions", status_code=201)
async def ask_exception(who: Reader, desk: AtDesk, wish: AskException) -> ExceptionView:
    """Opens another coordinator's case to the reader for three hours; who, when and why is kept."""
    try:
        return views.exception(await desk.ask_exception(who, wish.case_code, wish.reason, wish.note))
    except Refused as refused:
        raise as_problem(refused) from None


@router.get("/definitions")
async def definitions(who: Reader, desk: AtDesk) -> list[dict[str, Any]]:
    """The newest stage definitions of the reader's programmes."""
    found = [desk.catalogue.newest(programme) for programme in sorted(who.programmes)]
    return [definition.model_dump(mode="json") for definition in found if definition]


@router.get("/codes", dependencies=[Depends(staff("coordinator", "manager"))])
async def codes(desk: AtDesk) -> dict[str, list[dict[str, Any]]]:
    """The code lists that commands may use today, with labels in three languages."""
    return desk.catalogue.codes.data(desk.today)


async def _carry_out(
    request: Request, response: Response, who: Principal, desk: Desk, pathway_id: str, command: AnyCommand
) -> PathwayDetail:
    try:
        after = await desk.carry_out(who, pathway_id, expected_version(request), command)
    except LostRace as lost:
        present = views.detail(desk, lost.present) if isinstance(lost.present, Pathway) else None
        raise lost_race(present and present.model_dump(mode="json")) from None
    except Refused as refused:
        raise as_problem(refused) from None
    return _shown(response, desk, after)


def _shown(response: Response, desk: Desk, pathway: Pathway) -> PathwayDetail:
    response.headers["etag"] = f'"{pathway.version}"'
    return views.detail(desk, pathway)
