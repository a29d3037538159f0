"""The API as a caller meets it: rights, versions, problems, lists."""

import asyncio
from typing import Any

import pytest

from polku_pathway.model.pathway import Pathway
from polku_pathway.repository import Pathways
from polku_runtime.testing import Clock
from polku_web.testing import SignIn

from .conftest import COACH, ELSEWHERE, MANAGER, OTHER, Hear
from .material import COORDINATOR, accepted

ENTRY = {
    "started_on": "2026-01-12",
    "employment_status": "unemployed",
    "since": "2024-03-01",
    "education": 3,
    "gender": "woman",
    "municipality": "205",
}
EXIT = {"ended_on": "2026-02-20", "reason": "work", "employment_status": "employed", "status_on": "2026-02-23"}


async def test_the_whole_way_through_the_api(pathway: Pathway, sign_in: SignIn) -> None:
    me, at = await sign_in(COORDINATOR), f"/pathways/{pathway.id}"
    shown = (await me.http.get(f"/pathway/api/v1{at}")).json()
    assert (shown["stage"], shown["commands"], shown["version"]) == ("waiting", ["start", "end"], 1)

    answer = await me.command(f"{at}/start", {**ENTRY, "education": None}, 1)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"3"')
    assert answer.json()["missing"] == ["education"]
    answer = await me.command(f"{at}/amend", {"entry": ENTRY, "reason": "new-information"}, 3)
    assert answer.json()["missing"] == []
    answer = await me.command(f"{at}/stage", {"to_stage": "activity", "on": "2026-02-01"}, 4)
    assert answer.json()["stage"] == "activity"
    answer = await me.command(f"{at}/end", EXIT, 5)
    assert (answer.json()["state"], answer.json()["outcome"]) == ("closed", "work")
    answer = await me.command(f"{at}/amend", {"exit": {**EXIT, "qualification": True}, "reason": "mistake"}, 7)
    assert answer.json()["exit"]["qualification"] is True
    answer = await me.command(f"{at}/reopen", {"on": "2026-03-01", "reason": "returned"}, 8)
    assert (answer.json()["stage"], answer.json()["exit"]) == ("activity", None)
    kinds = [line["kind"] for line in answer.json()["timeline"]]
    assert kinds == [
        "opened", "started", "stage-changed", "corrected", "stage-changed", "ended", "closed", "corrected",
        "reopened", "stage-changed",
    ]  # fmt: skip
    assert {line["by"] for line in answer.json()["timeline"]} == {None, COORDINATOR}


async def test_unknown_and_forbidden_look_the_same(pathway: Pathway, sign_in: SignIn) -> None:
    for stranger in (OTHER, ELSEWHERE):
        person = await sign_in(stranger)
        for at in (pathway.id, "0197aaaa-0000-7000-8000-00000000ffff"):
            answers = [await person.http.get(f"/pathway/api/v1/pathways/{at}"), await person.command(f"/pathways/{at}/start", ENTRY, 1)]  # fmt: skip
            assert [answer.status_code for answer in answers] == [404, 404]
            assert answers[0].json()["code"] == "not-found"
    assert (await (await sign_in(MANAGER)).http.get(f"/pathway/api/v1/pathways/{pathway.id}")).status_code == 200


async def test_who_leaves_the_programme_loses_the_own_cases_too(
    pathway: Pathway, pathways: Pathways, sign_in: SignIn
) -> None:
    me, at = await sign_in(COORDINATOR), f"/pathway/api/v1/pathways/{pathway.id}"
    assert (await me.http.get(at)).status_code == 200
    await pathways.database["staff"].update_one({"_id": COORDINATOR}, {"$set": {"programmes": ["lapland"]}})
    assert (await me.http.get(at)).status_code == 404
    assert (await me.http.get("/pathway/api/v1/pathways")).json()["items"] == []


async def test_other_roles_and_nobody_do_not_pass(pathway: Pathway, sign_in: SignIn) -> None:
    at = f"/pathway/api/v1/pathways/{pathway.id}"
    assert (await (await sign_in(COACH)).http.get(at)).status_code == 403
    assert (await (await sign_in(None)).http.get(at)).status_code == 401
    me = await sign_in(COORDINATOR)
    assert (await me.http.post(f"{at}/start", json=ENTRY, headers={"if-match": '"1"'})).status_code == 403


async def test_writes_take_the_version_that_was_seen(pathway: Pathway, sign_in: SignIn) -> None:
    me, at = await sign_in(COORDINATOR), f"/pathways/{pathway.id}"
    assert (await me.command(f"{at}/start", ENTRY)).status_code == 428
    assert (await me.command(f"{at}/start", ENTRY, 1)).status_code == 200
    answer = await me.command(f"{at}/stage", {"to_stage": "activity", "on": "2026-02-01"}, 1)
    assert (answer.status_code, answer.json()["code"]) == (409, "lost-race")
    assert answer.json()["present"]["version"] == 3
    assert answer.json()["present"]["stage"] == "assessment"


async def test_of_many_at_once_one_wins(pathway: Pathway, sign_in: SignIn) -> None:
    me, manager = await sign_in(COORDINATOR), await sign_in(MANAGER)
    for person in (me, manager):
        await person.get("/pathway/pathways")
    answers = await asyncio.gather(
        *(person.command(f"/pathways/{pathway.id}/start", ENTRY, 1) for person in [me, manager] * 5)
    )
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 9]
    shown = (await me.http.get(f"/pathway/api/v1/pathways/{pathway.id}")).json()
    assert [line["kind"] for line in shown["timeline"]].count("started") == 1


async def test_a_refusal_by_the_state_is_a_conflict_with_its_code(pathway: Pathway, sign_in: SignIn) -> None:
    me = await sign_in(COORDINATOR)
    answer = await me.command(f"/pathways/{pathway.id}/reopen", {"on": "2026-03-01", "reason": "returned"}, 1)
    assert (answer.status_code, answer.json()["code"], answer.json()["refusal"]) == (409, "wrong-state", "not-closed")


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {"/started_on"}),
        ({**ENTRY, "started_on": "2026-03-03"}, {"/started_on"}),
        ({**ENTRY, "started_on": "20.2026"}, {"/started_on"}),
        ({**ENTRY, "started_on": 1767225600}, {"/started_on"}),
        ({**ENTRY, "started_on": "2026-02-30"}, {"/started_on"}),
        ({**ENTRY, "employment_status": {"$gt": ""}}, {"/employment_status"}),
        ({**ENTRY, "employment_status": "$where"}, {"/employment_status"}),
        ({**ENTRY, "education": 9}, {"/education"}),
        ({**ENTRY, "gender": "female", "since": "2026-02-01"}, {"/gender", "/since"}),
        ({**ENTRY, "municipality": "Kajaani"}, {"/municipality"}),
        ({**ENTRY, "coordinator_id": "me", "_id": "x"}, {"/coordinator_id", "/_id"}),
        ([], {""}),
    ],
)
async def test_a_bad_body_is_refused_with_pointers(
    pathway: Pathway, sign_in: SignIn, body: Any, pointers: set[str]
) -> None:
    me = await sign_in(COORDINATOR)
    answer = await me.command(f"/pathways/{pathway.id}/start", body, 1)
    assert answer.status_code == 422, answer.text
    assert {error["pointer"] for error in answer.json()["errors"]} == pointers
    assert "$" not in answer.text


async def test_a_reason_opens_another_case_for_three_hours(pathway: Pathway, sign_in: SignIn, clock: Clock) -> None:
    other, at = await sign_in(OTHER), f"/pathway/api/v1/pathways/{pathway.id}"
    assert (await other.command("/exceptions", {"case_code": "K-7F3K2", "reason": "other"})).status_code == 422
    assert (await other.command("/exceptions", {"case_code": "K-00000", "reason": "urgent"})).status_code == 422
    assert (await other.http.get(at)).status_code == 404
    granted = await other.command("/exceptions", {"case_code": "k7f3k2", "reason": "other", "note": "A visit"})
    assert (granted.status_code, granted.json()["pathway_id"]) == (201, pathway.id)
    assert (await other.http.get(at)).status_code == 200
    assert (await other.command(f"/pathways/{pathway.id}/start", ENTRY, 1)).status_code == 200
    rows = (await other.http.get(f"{at}/exceptions")).json()
    assert [(row["staff_id"], row["reason"], row["note"]) for row in rows] == [(OTHER, "other", "A visit")]
    clock.advance(hours=3, seconds=1)
    later = await sign_in(OTHER)
    assert (await later.http.get(at)).status_code == 404
    rows = (await (await sign_in(COORDINATOR)).http.get(f"{at}/exceptions")).json()
    assert len(rows) == 1


async def test_no_exception_reaches_into_another_programme(pathway: Pathway, sign_in: SignIn) -> None:
    stranger = await sign_in(ELSEWHERE)
    answer = await stranger.command("/exceptions", {"case_code": "K-7F3K2", "reason": "urgent"})
    assert answer.status_code == 422


async def test_the_list_is_paged_filtered_and_scoped(hear: Hear, sign_in: SignIn) -> None:
    for number in range(7):
        await hear(
            accepted(
                f"referral-{number}",
                f"person-{number}",
                case_code=f"K-{number}AAAA",
                coordinator_id=OTHER if number == 6 else COORDINATOR,
                accepted_on=f"2026-02-{10 + number}",
            )
        )
    me, manager = await sign_in(COORDINATOR), await sign_in(MANAGER)
    address, seen = "/pathway/api/v1/pathways?limit=2", []
    while address:
        answer = await me.http.get(address)
        seen += [item["case_code"] for item in answer.json()["items"]]
        address = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == [f"K-{number}AAAA" for number in range(6)]

    async def codes(query: str) -> list[str]:
        answer = await manager.http.get(f"/pathway/api/v1/pathways?{query}")
        assert answer.status_code == 200, answer.text
        return [item["case_code"] for item in answer.json()["items"]]

    assert len(await codes("")) == 7
    assert await codes("whose=own") == []
    assert await codes("case=3a") == ["K-3AAAA"]
    assert await codes("case=.*") == [f"K-{number}AAAA" for number in range(7)]
    assert await codes("state=closed") == []
    assert await codes("overdue=true") == [f"K-{number}AAAA" for number in range(6)]
    assert (await codes("state=all"))[0] == "K-6AAAA"
    assert await codes("stage=activity") == []
    assert (await manager.http.get("/pathway/api/v1/pathways?after=nonsense")).status_code == 422
    assert (await manager.http.get("/pathway/api/v1/pathways?limit=0")).status_code == 422


async def test_reopening_while_another_is_open_is_refused(pathway: Pathway, hear: Hear, sign_in: SignIn) -> None:
    me, at = await sign_in(COORDINATOR), f"/pathways/{pathway.id}"
    await me.command(f"{at}/end", {"ended_on": "2026-02-01", "reason": "no-show"}, 1)
    await hear(accepted("referral-2"))
    answer = await me.command(f"{at}/reopen", {"on": "2026-03-01", "reason": "mistake"}, 2)
    assert (answer.status_code, answer.json()["refusal"]) == (409, "another-open")


async def test_code_lists_and_definitions_are_there_for_machines(sign_in: SignIn, hear: Hear) -> None:
    me = await sign_in(COORDINATOR)
    lists = (await me.http.get("/pathway/api/v1/codes")).json()
    assert {code["code"] for code in lists["closing_reason"]} >= {"work", "education", "no-show"}
    (definition,) = (await me.http.get("/pathway/api/v1/definitions")).json()
    assert definition["programme"] == "kainuu"
    described = (await me.http.get("/pathway/api/v1/openapi.json")).json()
    assert "/pathway/api/v1/pathways/{pathway_id}/start" in described["paths"]
