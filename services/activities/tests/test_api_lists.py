"""The lists: order and cursors, filters by Helsinki's days, people to choose from and who is elsewhere."""

import base64
import json
from typing import Any

import pytest

from polku_runtime.testing import Clock
from polku_web.testing import SignIn

from .calls import HOLD, plan
from .conftest import API, Hear
from .material import COACH, OTHER_COACH, closed, opened


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
