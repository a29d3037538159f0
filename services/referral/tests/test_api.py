"""The API as a sender's system and the project's own pages meet it: repeats, and who sees what."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from polku_referral.desk import Desk
from polku_runtime.access import Principal

from .conftest import Sender, SignIn, said
from .material import API, COACH, COORDINATOR, COUNTY, ELSEWHERE, MANAGER, NOBODY, ONNI, REFERRER, body, leaks


async def test_a_referral_is_taken_in_once(sender: Sender, desk: Desk) -> None:
    first = await sender.post(body())
    assert first.status_code == 201
    told = first.json()
    assert first.headers["location"] == f"{API}/referrals/{told['id']}" == told["links"]["self"]["href"]
    assert first.headers["etag"] == '"1"'
    assert (told["state"], told["version"], told["answer_due"]) == ("received", 1, "2026-03-16")
    assert leaks(first.text) == []

    again = await sender.post(body())
    assert (again.status_code, again.json()) == (200, told)
    assert (await sender.get(f"/referrals/{told['id']}")).json() == told
    assert await said(desk) == ["polku.referral.received.v1"]


async def test_the_same_said_in_another_way_is_the_same(sender: Sender) -> None:
    """Order of keys, white space, defaults spelt out, decomposed letters."""
    sent = body(person__family_name="Mäkelä", urgency=...)
    assert (await sender.post(sent)).status_code == 201
    other = dict(reversed(body(person__family_name="Ma\u0308kela\u0308", person__protected_address=False).items()))
    answer = await sender.post(json.dumps(other, indent=4, ensure_ascii=False).encode())
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "changes",
    [{"service": "training"}, {"person__phone": None}, {"reason__text": "toinen"}, {"person__identity_code": ONNI}],
    ids=str,
)
async def test_the_same_id_with_other_content_is_refused(sender: Sender, desk: Desk, changes: dict[str, Any]) -> None:
    await sender.sent()
    answer = await sender.post(body(**changes), accept_language="en")
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-mismatch")
    assert "by its own commands" in answer.json()["detail"]
    assert leaks(answer.text) == []
    assert await said(desk) == ["polku.referral.received.v1"]


async def test_the_key_makes_repeats_safe_too(sender: Sender) -> None:
    first = await sender.post(body("A-1"), idempotency_key='"key-1"')
    assert first.status_code == 201
    assert (await sender.post(body("A-1"), idempotency_key="key-1")).json() == first.json()
    other = await sender.post(body("A-2"), idempotency_key="key-1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-mismatch")
    assert (await sender.post(body("A-1"), idempotency_key="key-2")).status_code == 200
    assert (await sender.post(body("A-2"), idempotency_key="key-2")).status_code == 201
    crossed = await sender.post(body("A-1"), idempotency_key="key-2")
    assert (crossed.status_code, crossed.json()["code"]) == (422, "idempotency-mismatch")


@pytest.mark.parametrize("key", ["", '"', "a b", "ä", "x" * 101, "010594Y9032", '"\t"'])
async def test_a_key_that_is_none(sender: Sender, key: str) -> None:
    answer = await sender.http.post(
        f"{API}/referrals", json=body(), headers=[*sender.headers.items(), ("idempotency-key", key.encode())]
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["in"] == "header"
    assert leaks(answer.text) == []


async def test_the_same_id_of_two_senders_is_two_referrals(sender: Sender, enrol: Callable[..., Any]) -> None:
    other: Sender = await enrol(COUNTY)
    mine, theirs = await sender.sent(), await other.sent()
    assert mine["id"] != theirs["id"]
    assert mine["case_code"] == theirs["case_code"]


async def test_a_dry_run_keeps_nothing(sender: Sender, desk: Desk) -> None:
    answer = await sender.post(body(), "?dry_run=true")
    would = {"dry_run": True, "valid": True, "exists": False, "mapped": {}, "unmapped": {}}
    assert (answer.status_code, answer.json()) == (200, would)
    wrong = await sender.post(body(programme="nowhere"), "?dry_run=true")
    assert f"{API}/codes" in wrong.json()["detail"]
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/programme")
    for name in ("referrals", "persons"):
        assert await desk.repository.database[name].count_documents({}) == 0
    await sender.sent()
    assert (await sender.post(body(), "?dry_run=true")).json()["exists"] is True
    assert (await sender.post(body(service="training"), "?dry_run=true")).json()["code"] == "idempotency-mismatch"


# -- who sees what ------------------------------------------------------------------------------------------


async def test_unknown_and_forbidden_look_the_same(sender: Sender, enrol: Callable[..., Any], sign_in: SignIn) -> None:
    referral = await sender.sent()
    stranger: Sender = await enrol(COUNTY)
    elsewhere = await sign_in(ELSEWHERE)
    for at in (referral["id"], NOBODY, "0", "-1", "..%2f..%2fx", "%24where", "x" * 2000):
        answers = [
            await stranger.get(f"/referrals/{at}"),
            await elsewhere.get(f"{API}/referrals/{at}"),
            await elsewhere.get(f"{API}/referrals/{at}/person"),
            await elsewhere.get(f"/referral/referrals/{at}"),
            await elsewhere.command(f"/referrals/{at}/accept", {}, 1),
            await elsewhere.command(f"/referrals/{at}/decline", {"reason": "no-capacity"}, 1),
        ]
        assert {answer.status_code for answer in answers} == {404}, at
        assert answers[0].json()["code"] == "not-found"
    assert (await stranger.get("/referrals")).json()["items"] == []
    assert (await stranger.get("/referrals?external_id=TE-2026-000123")).json()["items"] == []


@pytest.mark.parametrize(
    ("who", "statuses"),
    [
        (None, (401, 401, 401, 401)),
        (COACH, (403, 403, 403, 403)),
        (REFERRER, (200, 200, 403, 403)),
        (COORDINATOR, (200, 200, 200, 200)),
        (MANAGER, (200, 200, 200, 200)),
    ],
)
async def test_roles(sender: Sender, sign_in: SignIn, who: str | None, statuses: tuple[int, ...]) -> None:
    at = f"/referrals/{(await sender.sent())['id']}"
    person = await sign_in(who)
    read = [(await person.get(f"{API}{path}")).status_code for path in ("/referrals", at, f"{at}/person")]
    done = await person.command(f"{at}/accept", {"coordinator_id": COORDINATOR}, 1)
    assert (*read, done.status_code) == statuses


async def test_scopes_open_functions(enrol: Callable[..., Any]) -> None:
    reader: Sender = await enrol(scopes=("referrals:read",))
    assert (await reader.get("/referrals")).status_code == 200
    refused = await reader.post(body())
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient-scope")
    writer: Sender = await enrol(scopes=("referrals:write",))
    assert (await writer.post(body())).status_code == 201
    assert (await writer.get("/referrals")).status_code == 403


async def test_a_machine_commands_nothing_and_reads_no_person(sender: Sender) -> None:
    at = f"{API}/referrals/{(await sender.sent())['id']}"
    for answer in (
        await sender.http.post(f"{at}/accept", json={}, headers={**sender.headers, "if-match": '"1"'}),
        await sender.http.get(f"{at}/person", headers=sender.headers),
        await sender.http.get(f"{API}/names?person=x", headers=sender.headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_the_person_behind_a_referral(sender: Sender, sign_in: SignIn, desk: Desk) -> None:
    referral = await sender.sent()
    shown = (await (await sign_in(COORDINATOR)).get(f"{API}/referrals/{referral['id']}/person")).json()
    assert shown["identity"]["identity_code"] == "010594Y9032"
    assert shown["identity"]["date_of_birth"] == "1994-05-01"
    assert shown["contact"] == {
        "municipality": "205",
        "phone": "+358 40 5550199",
        "email": "aino.kanaria@example.fi",
        "protected_address": False,
    }
    assert shown["notes"]["reason"] == {"goals": ["work", "education"], "text": "tahtoo-töihin"}
    kept = await desk.repository.get(referral["id"], {})
    assert kept is not None
    all_of_it = vars(await desk.open_person(Principal(kind="staff", id=COORDINATOR), kept))
    assert {"person_id": kept.referral.person_id, **all_of_it} == shown  # the shape leaves nothing out
    row = await desk.audit.rows.find_one({"action": "read-referral"})
    assert row is not None
    assert (row["by"], row["classes"]) == (COORDINATOR, ["identity", "contact", "notes"])


async def test_names_are_for_those_who_may_see_them(sender: Sender, sign_in: SignIn, desk: Desk) -> None:
    referral = await sender.sent()
    kept = await desk.repository.get(referral["id"], {})
    assert kept is not None
    ask = f"{API}/names?person={kept.referral.person_id}&person={NOBODY}"
    name = {kept.referral.person_id: "Aino-Kanarialintu Testinen-Kanaria"}
    coordinator = await sign_in(COORDINATOR)
    assert (await coordinator.get(ask)).json() == {"names": name}
    assert (await (await sign_in(ELSEWHERE)).get(ask)).json() == {"names": {}}
    coach = await sign_in(COACH)
    assert (await coach.get(ask)).json() == {"names": {}}
    assert (await (await sign_in(REFERRER)).get(ask)).status_code == 403
    assert (await coordinator.command(f"/referrals/{referral['id']}/accept", {}, 1)).status_code == 200
    assert (await coach.get(ask)).json() == {"names": name}
    looks = [row["by"] async for row in desk.audit.rows.find({"action": "read-name"}).sort("at")]
    assert looks == [COORDINATOR, COACH]
    assert (await coordinator.get(f"{API}/names")).status_code == 422
    assert (await coordinator.get(f"{API}/names?" + "person=x&" * 101)).status_code == 422
