"""HTTP for machines: everything that the pages offer, under the same rights."""

from collections.abc import Awaitable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from starlette.requests import Request

from polku_activities import queries, views
from polku_activities.commands import (
    AddIn,
    CancelIn,
    ChangeIn,
    ChoiceList,
    CorrectIn,
    HoldIn,
    ParticipantOut,
    PlanIn,
    SessionList,
    SessionOut,
)
from polku_activities.desk import Desk
from polku_activities.model.session import Session
from polku_activities.texts import as_problem
from polku_events.refusals import Refused
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace
from polku_web.doors import expected_version, lost_race, staff
from polku_web.paging import link
from polku_web.problems import Problem

BASE = "/activities/api/v1"
ROLES = ("coach", "coordinator", "manager")
router = APIRouter(prefix=BASE, tags=["sessions"])

Reader = Annotated[Principal, Depends(staff(*ROLES))]


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(desk_of)]


@router.get("/sessions")
async def list_sessions(
    request: Request,
    response: Response,
    who: Reader,
    desk: AtDesk,
    query: queries.AskedList,
    part: queries.AskedWindow,
) -> SessionList:
    """Sessions that the reader may see; by cursor."""
    found = await queries.read(desk, who, query, part)
    link(request, response, found.next)
    return SessionList(items=[views.session(row) for row in found.items], next=found.next)


@router.post("/sessions", status_code=201)
async def plan(response: Response, who: Reader, desk: AtDesk, wish: PlanIn) -> SessionOut:
    """Plans a session."""
    try:
        made = await desk.plan(who, wish)
    except Refused as refused:
        raise as_problem(refused) from None
    response.headers["location"] = f"{BASE}/sessions/{made.id}"
    return await _shown(response, desk, made)


@router.get("/sessions/{session_id}")
async def one_session(response: Response, who: Reader, desk: AtDesk, session_id: str) -> SessionOut:
    """One session. `ETag` holds the version that commands take in `If-Match`."""
    return await _shown(response, desk, await desk.find(who, session_id))


@router.post("/sessions/{session_id}/change")
async def change(
    request: Request, response: Response, who: Reader, desk: AtDesk, session_id: str, wish: ChangeIn
) -> SessionOut:
    """Another time, place or people, while the session is planned: the whole plan as it is to be."""
    return await _done(response, desk, desk.change(who, session_id, expected_version(request), wish))


@router.post("/sessions/{session_id}/add")
async def add(
    request: Request, response: Response, who: Reader, desk: AtDesk, session_id: str, wish: AddIn
) -> SessionOut:
    """More people, while the session is planned; the rest of the plan stays as it is."""
    return await _done(response, desk, desk.add(who, session_id, expected_version(request), wish))


@router.post("/sessions/{session_id}/hold")
async def hold(
    request: Request, response: Response, who: Reader, desk: AtDesk, session_id: str, wish: HoldIn
) -> SessionOut:
    """The session took place; everybody's attendance at once."""
    return await _done(response, desk, desk.hold(who, session_id, expected_version(request), wish))


@router.post("/sessions/{session_id}/correct")
async def correct(
    request: Request, response: Response, who: Reader, desk: AtDesk, session_id: str, wish: CorrectIn
) -> SessionOut:
    """One person's attendance was not as recorded; old and new are kept."""
    return await _done(response, desk, desk.correct(who, session_id, expected_version(request), wish))


@router.post("/sessions/{session_id}/cancel")
async def cancel(
    request: Request, response: Response, who: Reader, desk: AtDesk, session_id: str, wish: CancelIn
) -> SessionOut:
    """The session does not take place."""
    return await _done(response, desk, desk.cancel(who, session_id, expected_version(request), wish))


@router.get("/participants")
async def participants(who: Reader, desk: AtDesk, programme: Annotated[str, Query(max_length=40)]) -> ChoiceList:
    """People with an open pathway in a programme, to choose from."""
    if programme not in who.programmes:
        raise Problem(404, "not-found")
    people = await desk.sessions.open_pathways(programme)
    return ChoiceList(items=[ParticipantOut(**one.model_dump()) for one in people])


@router.get("/codes", dependencies=[Depends(staff(*ROLES))])
async def codes(desk: AtDesk) -> dict[str, list[dict[str, str]]]:
    """The code lists with labels in three languages, those in use today."""
    return desk.codes.data(desk.today)


async def _done(response: Response, desk: Desk, work: Awaitable[Session]) -> SessionOut:
    try:
        after = await work
    except LostRace as lost:
        present = views.session(lost.present) if isinstance(lost.present, Session) else None
        raise lost_race(present and present.model_dump(mode="json")) from None
    except Refused as refused:
        raise as_problem(refused) from None
    return await _shown(response, desk, after)


async def _shown(response: Response, desk: Desk, shown: Session) -> SessionOut:
    response.headers["etag"] = f'"{shown.version}"'
    return views.session(shown, await desk.sessions.overlapping(shown))
