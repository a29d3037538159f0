"""The API as a caller meets it: rights, versions, problems, lists."""

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest

from polku_activities.model.session import MOST
from polku_activities.repository import Sessions
from polku_runtime.testing import Clock
from polku_web.testing import Person, SignIn

from .conftest import API, Hear
from .material import COACH, COORDINATOR, ELSEWHERE, OTHER_COACH, STEERING, closed, opened

PLAN = {
    "programme": "kainuu",
    "activity": "nepsy-coaching",
    "starts_at": "2026-03-02T09:00:00+02:00",
    "minutes": 120,
    "pathway_ids": ["pathway-1", "pathway-2"],
}
CHANGE = {name: value for name, value in PLAN.items() if name != "programme"}
HOLD = {
    "held_on": "2026-03-02",
    "minutes": 120,
    "marks": {"pathway-1": {"attendance": "present"}, "pathway-2": {"attendance": "absent-unexcused"}},
}
NOWHERE = "0197aaaa-0000-7000-8000-00000000ffff"


async def plan(me: Person, **changes: Any) -> dict[str, Any]:
    answer = await me.command("/sessions", {**PLAN, **changes})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def faults(answer: httpx.Response) -> set[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return {(error["pointer"], error["code"]) for error in answer.json()["errors"]}


async def test_the_whole_way(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    answer = await me.command("/sessions", {**PLAN, "place": " Kirjasto "})
    shown = answer.json()
    at = f"/sessions/{shown['id']}"
    assert (answer.status_code, answer.headers["location"], answer.headers["etag"]) == (201, API + at, '"1"')
    assert (shown["starts_at"], shown["ends_at"]) == ("2026-03-02T07:00:00Z", "2026-03-02T09:00:00Z")
    assert (shown["coach_id"], shown["place"], shown["group"], shown["attended"]) == (COACH, "Kirjasto", True, None)
    assert shown["commands"] == ["change", "add", "hold", "cancel"]

    answer = await me.command(f"{at}/change", {**CHANGE, "minutes": 60, "place": "Halli"}, 1)
    assert (answer.status_code, answer.headers["etag"], answer.json()["minutes"]) == (200, '"2"', 60)
    marks = {**HOLD["marks"], "pathway-3": {"attendance": "late", "minutes": 30}}  # type: ignore[dict-item]
    answer = await me.command(f"{at}/hold", {**HOLD, "minutes": 90, "marks": marks}, 2)
    held = answer.json()
    assert (held["state"], held["attended"], held["minutes"], held["version"]) == ("held", 2, 90, 6)
    assert [(one["pathway_id"], one["attendance"], one["minutes"]) for one in held["participants"]] == [
        ("pathway-1", "present", 90),
        ("pathway-2", "absent-unexcused", 0),
        ("pathway-3", "late", 30),
    ]
    mark = {"attendance": "absent-excused", "reason": "illness"}
    correction = {"pathway_id": "pathway-1", "mark": mark, "reason": "later-information"}
    answer = await me.command(f"{at}/correct", correction, 6)
    assert (answer.json()["attended"], answer.json()["version"], answer.json()["commands"]) == (1, 8, ["correct"])
    assert await me.read(at) == answer.json()


async def test_people_are_added_to_a_planned_session(people: None, hear: Hear, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    made = await plan(me, place="Kirjasto")
    at = f"/sessions/{made['id']}"
    answer = await me.command(f"{at}/add", {"pathway_ids": ["pathway-3", "pathway-1", "pathway-3"]}, 1)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    after = answer.json()
    assert [one["pathway_id"] for one in after["participants"]] == ["pathway-1", "pathway-2", "pathway-3"]
    assert {name: after[name] for name in ("starts_at", "minutes", "place", "coach_id")} == {
        name: made[name] for name in ("starts_at", "minutes", "place", "coach_id")
    }
    answer = await me.command(f"{at}/add", {"pathway_ids": ["pathway-3"]}, 2)
    assert (answer.status_code, answer.json()["refusal"]) == (409, "nothing-changed")
    await hear((opened(4, "lapland"), 1))
    answer = await me.command(f"{at}/add", {"pathway_ids": ["pathway-1", "pathway-4", "nobody"]}, 2)
    assert faults(answer) == {("/pathway_ids/1", "not-open"), ("/pathway_ids/2", "not-open")}
    assert (await me.command(f"{at}/add", {"pathway_ids": []}, 2)).status_code == 422
    answer = await me.command(f"{at}/add", {"pathway_ids": ["pathway-1"]}, 1)
    assert (answer.status_code, answer.json()["code"]) == (409, "lost-race")
    assert (
        await (await sign_in(OTHER_COACH)).command(f"{at}/add", {"pathway_ids": ["pathway-1"]}, 2)
    ).status_code == 404


async def test_what_is_planned_for_a_later_day_is_not_held_yet(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    later = await plan(me, starts_at="2026-03-03T09:00:00+02:00")
    answer = await me.command(f"/sessions/{later['id']}/hold", HOLD, 1)
    assert faults(answer) == {("/held_on", "planned-for-later")}
    assert (await me.read(f"/sessions/{later['id']}"))["state"] == "planned"


async def test_cancelling(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = f"/sessions/{(await plan(me))['id']}"
    assert faults(await me.command(f"{at}/cancel", {"reason": "tired"}, 1)) == {("/reason", "unknown-code")}
    answer = await me.command(f"{at}/cancel", {"reason": "weather"}, 1)
    assert (answer.json()["state"], answer.json()["cancel_reason"], answer.json()["commands"]) == ("cancelled", "weather", [])  # fmt: skip
    answer = await me.command(f"{at}/hold", HOLD, 2)
    assert (answer.status_code, answer.json()["code"], answer.json()["refusal"]) == (409, "wrong-state", "wrong-state")


async def test_the_outbox_says_what_happened_and_no_activity_beside_a_person(
    people: None, sign_in: SignIn, sessions: Sessions
) -> None:
    me = await sign_in(COACH)
    planned = await plan(me)
    await me.command(f"/sessions/{planned['id']}/hold", HOLD, 1)
    row = await sessions.database["sessions"].find_one({"_id": planned["id"]})
    assert row
    assert [(one["version"], one["type"], one["partition_key"]) for one in row["outbox"]] == [
        (1, "polku.session.planned.v1", planned["id"]),
        (2, "polku.session.held.v1", planned["id"]),
        (3, "polku.attendance.recorded.v1", "person-1"),
        (4, "polku.attendance.recorded.v1", "person-2"),
    ]
    assert [one for one in row["outbox"] if "person_id" in one["data"] and "nepsy" in str(one)] == []


# -- versions --------------------------------------------------------------------------------------------------


async def test_writes_take_the_version_that_was_seen(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = f"/sessions/{(await plan(me))['id']}"
    for command, body in (
        ("change", CHANGE),
        ("add", {"pathway_ids": ["pathway-3"]}),
        ("hold", HOLD),
        ("cancel", {"reason": "weather"}),
    ):
        assert (await me.command(f"{at}/{command}", body)).status_code == 428
    await me.command(f"{at}/change", {**CHANGE, "minutes": 60}, 1)
    answer = await me.command(f"{at}/hold", HOLD, 1)
    assert (answer.status_code, answer.json()["code"]) == (409, "lost-race")
    assert (answer.json()["present"]["version"], answer.json()["present"]["minutes"]) == (2, 60)


async def test_of_many_at_once_one_wins(people: None, sign_in: SignIn) -> None:
    me, other = await sign_in(COACH), await sign_in(COORDINATOR)
    at = f"/sessions/{(await plan(me))['id']}"
    await other.get("/activities/sessions/new")
    answers = await asyncio.gather(*(one.command(f"{at}/hold", HOLD, 1) for one in [me, other] * 5))
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 9]
    assert (await me.read(at))["version"] == 4


async def test_nothing_changed_is_a_conflict_of_its_own(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = f"/sessions/{(await plan(me))['id']}"
    answer = await me.command(f"{at}/change", CHANGE, 1)
    assert (answer.status_code, answer.json()["refusal"]) == (409, "nothing-changed")
    # Seconds are nobody's plan.
    answer = await me.command(f"{at}/change", {**CHANGE, "starts_at": "2026-03-02T07:00:31.5Z"}, 1)
    assert (answer.status_code, answer.json()["refusal"]) == (409, "nothing-changed")


# -- what is wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"programme": None, "starts_at": None}, {"/programme", "/starts_at"}),
        ({"starts_at": "2026-03-02T09:00:00"}, {"/starts_at"}),
        ({"starts_at": 1772434800}, {"/starts_at"}),
        ({"starts_at": "1772434800"}, {"/starts_at"}),
        ({"starts_at": "0001-01-01T00:00:00+14:00"}, {"/starts_at"}),
        ({"starts_at": "9999-12-31T23:59:59-14:00"}, {"/starts_at"}),
        ({"minutes": 4}, {"/minutes"}),
        ({"minutes": 721}, {"/minutes"}),
        ({"minutes": 60.5}, {"/minutes"}),
        ({"activity": {"$gt": ""}}, {"/activity"}),
        ({"activity": "juggling"}, {"/activity"}),
        ({"place": "x" * 201}, {"/place"}),
        ({"pathway_ids": ["pathway-1", "ghost"]}, {"/pathway_ids/1"}),
        ({"pathway_ids": ["pathway-1", "pathway-1"]}, {"/pathway_ids"}),
        ({"pathway_ids": ["pathway-1", "pathway-2"], "group": False}, {"/pathway_ids"}),
        ({"pathway_ids": ["x"] * (MOST + 1)}, {"/pathway_ids"}),
        ({"coach_id": OTHER_COACH}, {"/coach_id"}),
        (
            {"activity": "juggling", "coach_id": NOWHERE, "pathway_ids": ["ghost"]},
            {"/activity", "/coach_id", "/pathway_ids/0"},
        ),
        ({"state": "held", "_id": "x"}, {"/state", "/_id"}),
    ],
)
async def test_a_wrong_plan_is_refused_with_pointers(
    people: None, sign_in: SignIn, changes: dict[str, Any], pointers: set[str]
) -> None:
    me = await sign_in(COACH)
    body = {name: value for name, value in {**PLAN, **changes}.items() if value is not None}
    answer = await me.command("/sessions", body)
    assert {pointer for pointer, _ in faults(answer)} == pointers
    assert "ghost" not in answer.text
    assert (await me.read("/sessions?period=all"))["items"] == []


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"held_on": "2026-03-03"}, {("/held_on", "in-future")}),
        ({"held_on": "0001-01-01"}, {("/held_on", "greater-than-equal")}),
        ({"held_on": 1772409600}, {("/held_on", "date-type")}),
        ({"held_on": "2026-02-30"}, {("/held_on", "date-from-datetime-parsing")}),
        ({"marks": {}}, {("/marks/pathway-1", "needed"), ("/marks/pathway-2", "needed")}),
        ({"marks": {"pathway-1": {"attendance": "present"}}}, {("/marks/pathway-2", "needed")}),
        ({"marks": {"pathway-1": {"attendance": "asleep"}}}, {("/marks/pathway-1/attendance", "literal-error")}),
        (
            {
                "marks": {
                    "pathway-1": {"attendance": "late", "minutes": 121, "reason": "hangover"},
                    "pathway-2": {"attendance": "absent-excused", "reason": "illness"},
                }
            },
            {("/marks/pathway-1/reason", "unknown-code")},
        ),
        (
            {
                "marks": {
                    "pathway-1": {"attendance": "late", "minutes": 121, "reason": "transport"},
                    "pathway-2": {"attendance": "absent-excused"},
                }
            },
            {
                ("/marks/pathway-1/minutes", "too-long"),
                ("/marks/pathway-1/reason", "reason-for-presence"),
                ("/marks/pathway-2/reason", "reason-needed"),
            },
        ),
    ],
)
async def test_a_wrong_attendance_is_refused_with_pointers(
    people: None, sign_in: SignIn, changes: dict[str, Any], wrong: set[tuple[str, str]]
) -> None:
    me = await sign_in(COACH)
    at = f"/sessions/{(await plan(me))['id']}"
    assert faults(await me.command(f"{at}/hold", {**HOLD, **changes}, 1)) == wrong
    assert (await me.read(at))["version"] == 1


async def test_a_key_from_outside_is_never_repeated(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = f"/sessions/{(await plan(me))['id']}"
    somebody = "010190-950B"
    for mark in ({"attendance": "present"}, {"attendance": "asleep"}, {"attendance": "present", "reason": "x"}):
        answer = await me.command(f"{at}/hold", {**HOLD, "marks": {**HOLD["marks"], somebody: mark}}, 1)  # type: ignore[dict-item]
        assert answer.status_code == 422
        assert somebody not in answer.text


async def test_a_full_session_takes_nobody_more(hear: Hear, sign_in: SignIn) -> None:
    await hear(*((opened(number), 1) for number in range(MOST + 1)))
    me, everybody = await sign_in(COACH), [f"pathway-{number}" for number in range(MOST + 1)]
    at = f"/sessions/{(await plan(me, pathway_ids=everybody[:-1]))['id']}"
    marks = {pathway_id: {"attendance": "present"} for pathway_id in everybody}
    answer = await me.command(f"{at}/hold", {**HOLD, "marks": marks}, 1)
    assert {pointer for pointer, _ in faults(answer)} == {"/marks"}


async def test_who_was_planned_stays_after_the_pathway_has_closed(people: None, hear: Hear, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    at = f"/sessions/{(await plan(me))['id']}"
    await hear((closed(1), 2))
    assert (await me.command(f"{at}/change", {**CHANGE, "minutes": 60}, 1)).status_code == 200
    answer = await me.command("/sessions", PLAN)
    assert faults(answer) == {("/pathway_ids/0", "not-open")}
    assert (await me.command(f"{at}/hold", {**HOLD, "minutes": 60}, 2)).status_code == 200


# -- rights ----------------------------------------------------------------------------------------------------


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


# -- lists -----------------------------------------------------------------------------------------------------


async def test_the_list_goes_on_by_cursor_in_its_order(people: None, sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    # Two at each time, so that the id has to decide between them.
    ids = [(await plan(me, starts_at=f"2026-03-0{2 + number // 2}T09:00:00Z"))["id"] for number in range(7)]

    async def walked(query: str) -> list[str]:
        address, found = f"{API}/sessions?limit=3&{query}", []
        while address:
            answer = await me.http.get(address)
            assert answer.status_code == 200, answer.text
            found += [one["id"] for one in answer.json()["items"]]
            assert ("next" in answer.links) == (answer.json()["next"] is not None)
            address = answer.links["next"]["url"] if "next" in answer.links else ""
        return found

    assert await walked("state=planned") == ids
    assert await walked("period=all") == [ids[number] for number in (6, 4, 5, 2, 3, 0, 1)]


async def test_the_list_is_filtered_by_helsinkis_days(people: None, sign_in: SignIn, clock: Clock) -> None:
    me = await sign_in(COACH)
    starts = {
        "last-week": "2026-03-01T21:59:00Z",
        "today": "2026-03-01T22:00:00Z",
        "late-today": "2026-03-02T21:59:00Z",
        "tomorrow": "2026-03-02T22:00:00Z",
        "sunday": "2026-03-08T21:59:00Z",
        "next-week": "2026-03-08T22:00:00Z",
    }
    names = {(await plan(me, starts_at=start))["id"]: name for name, start in starts.items()}

    async def found(query: str) -> set[str]:
        return {names[one["id"]] for one in (await me.read(f"/sessions?{query}"))["items"]}

    assert await found("period=today") == {"today", "late-today"}
    assert await found("period=week") == await found("") == {"today", "late-today", "tomorrow", "sunday"}
    assert await found("period=all") == set(starts)
    assert await found("period=all&activity=training") == set()
    assert await found("period=all&state=held") == set()
    clock.advance(days=7)
    me = await sign_in(COACH)
    assert await found("period=week") == {"next-week"}


def cursor(*key: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "after",
    [
        "nonsense",
        cursor("2026-03-02"),
        cursor(5, "x"),
        cursor("tomorrow", "x"),
        cursor("0001-01-01T00:00:00+14:00", "x"),
    ],
)
async def test_a_cursor_of_something_else_is_refused(sign_in: SignIn, after: str) -> None:
    me = await sign_in(COACH)
    for address in (f"{API}/sessions", "/activities/sessions"):
        assert (await me.http.get(f"{address}?after={after}")).status_code == 422


@pytest.mark.parametrize("query", ["state=lost", "period=year", "whose=hers", "limit=0", "limit=201", "activity=" + "x" * 41])  # fmt: skip
async def test_an_unknown_filter_is_refused(sign_in: SignIn, query: str) -> None:
    me = await sign_in(COACH)
    assert (await me.http.get(f"{API}/sessions?{query}")).status_code == 422


# -- what helps to plan ----------------------------------------------------------------------------------------


async def test_people_to_choose_from(people: None, hear: Hear, sign_in: SignIn) -> None:
    await hear((closed(2), 2), (opened(4, "lapland"), 1))
    me = await sign_in(COACH)
    found = (await me.read("/participants?programme=kainuu"))["items"]
    assert [one["case_code"] for one in found] == ["K-00001", "K-00003"]
    assert {"person_id", "pathway_id"} <= found[0].keys()


@pytest.mark.parametrize(
    ("starts_at", "minutes", "expected"),
    [
        ("2026-03-02T08:59:00Z", 30, ["K-00002"]),
        ("2026-03-02T06:30:00Z", 31, ["K-00002"]),
        ("2026-03-02T09:00:00Z", 30, []),
        ("2026-03-02T06:30:00Z", 30, []),
        ("2026-03-01T19:10:00Z", 720, ["K-00002"]),
    ],
)
async def test_who_is_elsewhere_at_the_same_time_is_a_warning(
    people: None, sign_in: SignIn, starts_at: str, minutes: int, expected: list[str]
) -> None:
    me, other = await sign_in(COACH), await sign_in(OTHER_COACH)
    first = await plan(me)
    second = await plan(other, starts_at=starts_at, minutes=minutes, pathway_ids=["pathway-2", "pathway-3"])
    assert second["overlapping"] == expected
    answer = await me.command(f"/sessions/{first['id']}/hold", HOLD, 1)
    assert (answer.json()["state"], answer.json()["overlapping"]) == ("held", [])
    # Who was marked as absent was not in two places.
    assert (await other.read(f"/sessions/{second['id']}"))["overlapping"] == []


async def test_walk_ins_who_are_elsewhere_are_pointed_out_and_what_is_cancelled_is_in_nobodys_way(
    people: None, sign_in: SignIn
) -> None:
    me, other = await sign_in(COACH), await sign_in(OTHER_COACH)
    first = await plan(me)
    second = await plan(other, pathway_ids=["pathway-3"])
    marks = {**HOLD["marks"], "pathway-3": {"attendance": "present"}}  # type: ignore[dict-item]
    answer = await me.command(f"/sessions/{first['id']}/hold", {**HOLD, "marks": marks}, 1)
    assert (answer.status_code, answer.json()["overlapping"]) == (200, ["K-00003"])
    await other.command(f"/sessions/{second['id']}/cancel", {"reason": "weather"}, 1)
    assert (await me.read(f"/sessions/{first['id']}"))["overlapping"] == []
    assert (await other.read(f"/sessions/{second['id']}"))["overlapping"] == []


async def test_code_lists_and_the_description_are_there_for_machines(sign_in: SignIn) -> None:
    me = await sign_in(COACH)
    lists = await me.read("/codes")
    assert {one["code"] for one in lists["attendance"]} == {"present", "late", "absent-excused", "absent-unexcused"}
    assert lists["activity"][0] == {
        "code": "work-activity",
        "fi": "Työtoiminta",
        "sv": "Arbetsverksamhet",
        "en": "Work activity",
    }
    described = await me.read("/openapi.json")
    assert f"{API}/sessions/{{session_id}}/hold" in described["paths"]
