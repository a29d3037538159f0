"""What is wrong is said with pointers, and nothing from outside is repeated."""

from typing import Any

import pytest

from polku_activities.model.session import MOST
from polku_web.testing import SignIn

from .calls import CHANGE, HOLD, NOWHERE, PLAN, faults, plan
from .conftest import Hear
from .material import COACH, OTHER_COACH, closed, opened


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
