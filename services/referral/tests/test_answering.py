"""The project answers through the API: what holds, what does not, the version, the session."""

from typing import Any

import pytest

from polku_referral.desk import Desk

from .conftest import Sender, SignIn, said
from .material import API, COACH, COORDINATOR, ELSEWHERE, MANAGER


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
