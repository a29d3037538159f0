"""Who sees and does what: coaches their own, coordinators the programme's, the others nothing."""

from polku_activities.repository import Sessions
from polku_web.testing import Person, SignIn

from .calls import CHANGE, HOLD, NOWHERE, PLAN, faults, plan
from .conftest import API
from .material import COACH, COORDINATOR, ELSEWHERE, OTHER_COACH, STEERING


async def test_coaches_see_their_own_and_coordinators_the_programmes(people: None, sign_in: SignIn) -> None:
    me, other, coordinator = [await sign_in(one) for one in (COACH, OTHER_COACH, COORDINATOR)]
    mine, others = await plan(me), await plan(other)

    async def seen(person: Person, query: str = "") -> set[str]:
        return {one["id"] for one in (await person.read(f"/sessions?{query}"))["items"]}

    assert await seen(me) == {mine["id"]}
    assert await seen(other) == {others["id"]}
    assert await seen(coordinator) == {mine["id"], others["id"]}
    assert await seen(coordinator, "whose=own") == set()
    assert await seen(coordinator, f"whose={COACH}") == {mine["id"]}
    assert await seen(coordinator, f"whose={NOWHERE}") == set()
    assert await seen(me, f"whose={OTHER_COACH}") == set()
    for person in (other, await sign_in(ELSEWHERE)):
        for at in (f"/sessions/{mine['id']}", f"/sessions/{NOWHERE}"):
            answers = [await person.http.get(API + at), await person.command(f"{at}/hold", HOLD, 1)]
            assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "not-found")] * 2
    assert (await coordinator.command(f"/sessions/{mine['id']}/hold", HOLD, 1)).status_code == 200


async def test_other_roles_and_nobody_do_not_pass(people: None, sign_in: SignIn) -> None:
    at = f"{API}/sessions/{(await plan(await sign_in(COACH)))['id']}"
    for address in (at, f"{API}/sessions", f"{API}/participants?programme=kainuu", f"{API}/codes"):
        assert (await (await sign_in(STEERING)).http.get(address)).status_code == 403
        assert (await (await sign_in(None)).http.get(address)).status_code == 401
    me = await sign_in(COACH)
    assert (await me.http.post(f"{at}/hold", json=HOLD, headers={"if-match": '"1"'})).status_code == 403


async def test_another_programme_is_not_found(people: None, sign_in: SignIn) -> None:
    stranger = await sign_in(ELSEWHERE)
    assert (await stranger.command("/sessions", PLAN)).status_code == 404
    assert (await stranger.http.get(f"{API}/participants?programme=kainuu")).status_code == 404
    assert (await stranger.read("/participants?programme=lapland")) == {"items": []}


async def test_a_coordinator_gives_a_session_to_a_coach(people: None, sign_in: SignIn, sessions: Sessions) -> None:
    coordinator, coach = await sign_in(COORDINATOR), await sign_in(OTHER_COACH)
    given = await plan(coordinator, coach_id=OTHER_COACH)
    assert (await coach.read(f"/sessions/{given['id']}"))["coach_id"] == OTHER_COACH
    answer = await coordinator.command(f"/sessions/{given['id']}/change", {**CHANGE, "minutes": 60}, 1)
    assert answer.json()["coach_id"] == OTHER_COACH
    for nobody in (STEERING, ELSEWHERE, NOWHERE):
        answer = await coordinator.command("/sessions", {**PLAN, "coach_id": nobody})
        assert faults(answer) == {("/coach_id", "not-a-coach")}
    await sessions.database["staff"].update_one({"_id": OTHER_COACH}, {"$set": {"active": False}})
    answer = await coordinator.command("/sessions", {**PLAN, "coach_id": OTHER_COACH})
    assert faults(answer) == {("/coach_id", "not-a-coach")}
