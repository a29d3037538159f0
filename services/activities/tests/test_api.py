"""The API as a caller meets it: the way of a session, its events, its versions, its description."""

import asyncio

from polku_activities.repository import Sessions
from polku_web.testing import SignIn

from .calls import CHANGE, HOLD, PLAN, faults, plan
from .conftest import API, Hear
from .material import COACH, COORDINATOR, OTHER_COACH, opened


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
