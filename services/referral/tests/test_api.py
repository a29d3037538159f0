"""The API as a sender's system and the project's own pages meet it: repeats, receipts, rights, versions, lists."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from polku_referral.desk import Desk
from polku_runtime.testing import Clock

from .conftest import Sender, SignIn, said
from .material import API, COACH, COORDINATOR, COUNTY, ELSEWHERE, MANAGER, NOBODY, ONNI, REFERRER, TOWN, body, leaks


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
    answer = await sender.post(body(**changes))
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-mismatch")
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
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/programme")
    for name in ("referrals", "persons"):
        assert await desk.repository.database[name].count_documents({}) == 0
    await sender.sent()
    assert (await sender.post(body(), "?dry_run=true")).json()["exists"] is True
    assert (await sender.post(body(service="training"), "?dry_run=true")).json()["code"] == "idempotency-mismatch"


# -- the receipt --------------------------------------------------------------------------------------------


async def published(sender: Sender) -> KeySet:
    return KeySet.import_key_set((await sender.http.get("/referral/oauth/jwks")).json())


async def test_the_receipt_proves_what_was_received(sender: Sender, clock: Clock) -> None:
    raw = json.dumps(body(), indent=1).encode()
    shown = (await sender.post(raw)).json()
    proof = jws.deserialize_compact(shown["receipt"], await published(sender), algorithms=["ES256"])
    assert proof.headers()["typ"] == "polku-receipt+jwt"
    assert json.loads(proof.payload) == {
        "iss": "http://127.0.0.1:8700",
        "sub": TOWN,
        "jti": shown["id"],
        "external_id": "TE-2026-000123",
        "body_sha256": hashlib.sha256(raw).hexdigest(),
        "iat": int(clock.now.timestamp()),
    }


async def test_a_changed_receipt_proves_nothing(sender: Sender) -> None:
    receipt, keys = (await sender.sent())["receipt"], await published(sender)
    head, payload, signature = receipt.split(".")
    for forged in (
        f"{head}.{payload[:-2]}{'A' if payload[-2] != 'A' else 'B'}{payload[-1]}.{signature}",
        f"{head}.{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        f"{head}.{payload}.",
    ):
        with pytest.raises((JoseError, ValueError)):
            jws.deserialize_compact(forged, keys, algorithms=["ES256"])


async def test_a_receipt_opens_no_door(sender: Sender) -> None:
    sender.headers["authorization"] = f"Bearer {(await sender.sent())['receipt']}"
    assert (await sender.get("/referrals")).status_code == 401


async def test_the_published_keys_hold_no_private_half(sender: Sender) -> None:
    keys = (await sender.http.get("/referral/oauth/jwks")).json()["keys"]
    assert keys
    assert all(key.keys() <= {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in keys)


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
        assert answer.status_code == 401


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


# -- answering ----------------------------------------------------------------------------------------------


async def test_accepting_through_the_api(sender: Sender, sign_in: SignIn, desk: Desk) -> None:
    referral, me = await sender.sent(), await sign_in(COORDINATOR)
    at = f"/referrals/{referral['id']}"
    shown = (await me.get(f"{API}{at}")).json()
    assert shown["commands"] == ["accept", "decline", "ask", "waitlist", "forward"]
    assert shown["links"]["accept"] == {"href": f"{API}{at}/accept", "method": "POST"}
    assert shown["receipt"] is None
    answer = await me.command(f"{at}/accept", {"accepted_on": "2026-03-01"}, 1)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert (answer.json()["state"], answer.json()["accepted_on"], answer.json()["commands"]) == ("accepted", "2026-03-01", [])  # fmt: skip
    assert await said(desk) == ["polku.referral.received.v1", "polku.referral.accepted.v1"]
    heard = (await sender.get(at)).json()
    assert [step["kind"] for step in heard["history"]] == ["received", "accepted"]


async def test_declining_tells_the_sender_why(sender: Sender, sign_in: SignIn, desk: Desk) -> None:
    referral, me = await sender.sent(), await sign_in(MANAGER)
    at, text = f"/referrals/{referral['id']}", "Paikat täynnä kesään asti."
    answer = await me.command(f"{at}/decline", {"reason": "no-capacity", "text": text}, 1)
    assert (answer.status_code, answer.json()["state"]) == (200, "declined")
    heard = (await sender.get(at)).json()
    assert (heard["reason"], heard["reason_text"]) == ("no-capacity", text)
    row = await desk.repository.database["referrals"].find_one({"_id": referral["id"]})
    assert text not in str(row)
    assert await desk.audit.rows.count_documents({"action": "read-messages", "kind": "client"}) == 1


@pytest.mark.parametrize(
    ("command", "sent", "pointer"),
    [
        ("accept", {"accepted_on": "2026-03-03"}, "/accepted_on"),
        ("accept", {"accepted_on": "2026-02-26"}, "/accepted_on"),
        ("accept", {"accepted_on": 1772236800}, "/accepted_on"),
        ("accept", {"accepted_on": "1772236800"}, "/accepted_on"),
        ("accept", {"accepted_on": "2026-03-01T00:00:00Z"}, "/accepted_on"),
        ("accept", {"coordinator_id": COACH}, "/coordinator_id"),
        ("accept", {"coordinator_id": ELSEWHERE}, "/coordinator_id"),
        ("accept", {"coordinator_id": {"$gt": ""}}, "/coordinator_id"),
        ("accept", {"state": "accepted"}, "/state"),
        ("decline", {}, "/reason"),
        ("decline", {"reason": "because"}, "/reason"),
        ("decline", {"reason": "other"}, "/text"),
        ("decline", {"reason": "other", "text": "  "}, "/text"),
        ("decline", {"reason": "no-capacity", "text": "x" * 1001}, "/text"),
        ("decline", {"reason": "no-capacity", "text": "\u001b[2J"}, "/text"),
    ],
)
async def test_commands_that_do_not_hold(
    sender: Sender, sign_in: SignIn, command: str, sent: dict[str, Any], pointer: str
) -> None:
    me = await sign_in(COORDINATOR)
    answer = await me.command(f"/referrals/{(await sender.sent())['id']}/{command}", sent, 1)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_a_manager_names_the_coordinator(sender: Sender, sign_in: SignIn) -> None:
    at, manager = f"/referrals/{(await sender.sent())['id']}/accept", await sign_in(MANAGER)
    assert (await manager.command(at, {}, 1)).json()["errors"][0]["code"] == "not-a-coordinator"
    assert (await manager.command(at, {"coordinator_id": COORDINATOR}, 1)).status_code == 200


async def test_writes_take_the_version_that_was_seen(sender: Sender, sign_in: SignIn) -> None:
    me = await sign_in(COORDINATOR)
    at = f"/referrals/{(await sender.sent())['id']}"
    missing = await me.command(f"{at}/accept", {})
    assert (missing.status_code, missing.json()["code"]) == (428, "version-required")
    assert (await me.command(f"{at}/accept", {}, **{"if-match": "yesterday"})).status_code == 400
    assert (await me.command(f"{at}/accept", {}, 1)).status_code == 200
    late = await me.command(f"{at}/decline", {"reason": "no-capacity"}, 1)
    assert (late.status_code, late.json()["code"]) == (409, "lost-race")
    assert (late.json()["present"]["state"], late.json()["present"]["version"]) == ("accepted", 2)
    wrong = await me.command(f"{at}/decline", {"reason": "no-capacity"}, 2)
    assert (wrong.status_code, wrong.json()["code"]) == (409, "wrong-state")


async def test_a_command_of_another_site_or_without_its_token(sender: Sender, sign_in: SignIn) -> None:
    me = await sign_in(COORDINATOR)
    at = f"/referrals/{(await sender.sent())['id']}/accept"
    assert (await me.http.post(f"{API}{at}", json={}, headers={"if-match": '"1"'})).json()["code"] == "csrf"
    assert (await me.command(at, {}, 1, **{"sec-fetch-site": "cross-site"})).json()["code"] == "cross-site"
    assert (await me.command(at, {}, 1, origin="https://elsewhere.example")).json()["code"] == "cross-site"


# -- lists --------------------------------------------------------------------------------------------------


async def test_lists_by_cursor(sender: Sender, sign_in: SignIn) -> None:
    urgent = {3, 5}
    for number in range(7):
        await sender.sent(f"A-{number}", urgency="urgent" if number in urgent else "normal")

    async def walked(first: str) -> list[str]:
        found, address = [], first
        while address:
            answer = await sender.http.get(address, headers=sender.headers)
            assert answer.status_code == 200
            found += [row["external_id"] for row in answer.json()["items"]]
            link = answer.headers.get("link", "")
            address = link[1 : link.index(">")] if link else ""
            assert bool(link) == (answer.json()["next"] is not None)
        return found

    assert await walked(f"{API}/referrals?limit=2&state=received") == ["A-3", "A-5", "A-0", "A-1", "A-2", "A-4", "A-6"]
    assert await walked(f"{API}/referrals?limit=3") == [f"A-{number}" for number in (6, 5, 4, 3, 2, 1, 0)]
    assert await walked(f"{API}/referrals?external_id=A-4") == ["A-4"]
    me = await sign_in(COORDINATOR)
    assert len((await me.get(f"{API}/referrals")).json()["items"]) == 7
    assert (await me.get(f"{API}/referrals?state=accepted")).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    "query", ["after=x", "after=WyJhIiwiYiIsImMiXQ", "limit=0", "limit=1000", "limit=x", "state=lost"]
)
async def test_lists_asked_for_wrongly(sender: Sender, query: str) -> None:
    answer = await sender.get(f"/referrals?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["in"] == "query"


async def test_a_cursor_of_another_list(sender: Sender) -> None:
    for number in range(2):
        await sender.sent(f"A-{number}")
    cursor = (await sender.get("/referrals?limit=1")).json()["next"]
    assert (await sender.get(f"/referrals?limit=1&state=received&after={cursor}")).status_code == 422


async def test_code_lists(sender: Sender, sign_in: SignIn) -> None:
    codes = (await sender.get("/codes")).json()
    assert {"code": "urgent", "fi": "Kiireellinen", "sv": "Brådskande", "en": "Urgent"} in codes["urgency"]
    assert (await (await sign_in(COACH)).get(f"{API}/codes")).json() == codes
    assert (await (await sign_in(None)).get(f"{API}/codes")).status_code == 401


async def test_many_readers_at_once(sender: Sender, sign_in: SignIn) -> None:
    """Looks at one person are one chain; readers at the same moment all get through."""
    at, me = f"{API}/referrals/{(await sender.sent())['id']}/person", await sign_in(COORDINATOR)
    answers = await asyncio.gather(*(me.get(at) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
