"""A client that only tries: it walks the whole loop alone, and nobody else ever meets what it sent."""

from collections.abc import Callable
from typing import Any

import pytest

from polku_referral.desk import Desk
from polku_runtime.testing import Clock

from .conftest import Sender, SignIn, said
from .material import API, COACH, COORDINATOR, COUNTY, MANAGER, PAGES, REFERRER, TOWN, body

NAMES = "accept", "decline", "ask", "waitlist", "forward", "map-codes", "confirm-withdrawal", "expire", "conclude"


@pytest.fixture
async def trying(enrol: Callable[..., Any]) -> Sender:
    """A machine of TOWN that only tries."""
    made: Sender = await enrol(TOWN, test=True)
    return made


async def play(sender: Sender, shown: dict[str, Any], name: str, **wish: object) -> dict[str, Any]:
    """A move of the project, through the links of the answer before it."""
    address = shown["links"][f"sandbox-{name}"]["href"].removeprefix(f"{API}/referrals/{shown['id']}/")
    answer = await sender.command(shown["id"], address, wish, shown["version"])
    assert answer.status_code == 200, answer.text
    after: dict[str, Any] = answer.json()
    return after


async def say(sender: Sender, shown: dict[str, Any], name: str, **wish: object) -> dict[str, Any]:
    answer = await sender.command(shown["id"], name, wish, shown["version"])
    assert answer.status_code == 200, answer.text
    after: dict[str, Any] = answer.json()
    return after


async def test_the_whole_loop_alone(trying: Sender, desk: Desk) -> None:
    shown = await trying.sent()
    assert shown["test"] is True
    assert shown["commands"] == ["withdraw", "correct-contact"]
    assert {f"sandbox-{name}" for name in NAMES} <= shown["links"].keys()
    shown = await play(trying, shown, "ask", text="Onko kiire?")
    shown = await say(trying, shown, "answer", text="Ei ole.")
    shown = await play(trying, shown, "waitlist", review_on="2026-04-01")
    shown = await play(trying, shown, "accept", starts_on="2026-03-09")
    shown = await say(trying, shown, "request-withdrawal", reason="person-declined")
    shown = await play(trying, shown, "conclude", outcome="education")
    assert (shown["state"], shown["outcome"], shown["test"]) == ("concluded", "education", True)
    messages = (await trying.get(f"/referrals/{shown['id']}")).json()["messages"]
    assert [(one["party"], one["text"]) for one in messages] == [("project", "Onko kiire?"), ("sender", "Ei ole.")]
    rows = [row async for row in desk.repository.database["referrals"].find({})]
    assert {(event["test"], event["data"].get("coordinator_id")) for row in rows for event in row["outbox"]} == {
        (True, None),
        (True, trying.client_id),
    }


@pytest.mark.parametrize(
    ("moves", "state"),
    [
        ([("decline", {"reason": "no-capacity"})], "declined"),
        ([("forward", {"partner": "kainuu-hyvinvointi"})], "forwarded"),
        ([("forward", {"partner": "kajaani"})], "forwarded"),
        ([("expire", {})], "expired"),
        ([("ask", {"text": "?"}), ("expire", {})], "expired"),
        ([("accept", {}), ("conclude", {})], "concluded"),
    ],
    ids=str,
)
async def test_every_end(trying: Sender, moves: list[tuple[str, dict[str, Any]]], state: str) -> None:
    shown = await trying.sent()
    for name, wish in moves:
        shown = await play(trying, shown, name, **wish)
    assert shown["state"] == state


async def test_given_back(trying: Sender) -> None:
    shown = await say(
        trying, await play(trying, await trying.sent(), "accept"), "request-withdrawal", reason="sent-in-error"
    )
    assert (await play(trying, shown, "confirm-withdrawal"))["state"] == "withdrawn"


async def test_the_project_s_rules_hold_in_trials_too(trying: Sender) -> None:
    at = (await trying.sent())["id"]
    for name, wish, version, status in (
        ("accept", {}, None, 428),
        ("accept", {}, 3, 409),
        ("accept", {"accepted_on": "2026-03-03"}, 1, 422),
        ("decline", {}, 1, 422),
        ("decline", {"reason": "because"}, 1, 422),
        ("conclude", {}, 1, 409),
        ("conclude", {"outcome": "luck"}, 1, 422),
        ("confirm-withdrawal", {}, 1, 409),
        ("map-codes", {"route": "self"}, 1, 409),
        ("expire", {"now": True}, 1, 422),
        ("erase", {}, 1, 422),
    ):
        answer = await trying.command(at, f"sandbox/{name}", wish, version)
        assert answer.status_code == status, (name, answer.text)


async def test_for_anybody_else_there_is_no_sandbox(
    trying: Sender, sender: Sender, enrol: Callable[..., Any], sign_in: SignIn
) -> None:
    trial, real = (await trying.sent())["id"], (await sender.sent())["id"]
    other: Sender = await enrol(COUNTY, test=True)
    reader: Sender = await enrol(TOWN, scopes=("referrals:read",), test=True)
    for at in (trial, real):
        for machine in (sender, other, reader):
            assert (await machine.command(at, "sandbox/accept", {}, 1)).status_code == 404
        for who in (COORDINATOR, MANAGER, REFERRER):
            assert (await (await sign_in(who)).command(f"/referrals/{at}/sandbox/accept", {}, 1)).status_code == 404
    assert (await trying.command(real, "sandbox/accept", {}, 1)).status_code == 404
    assert (await sender.get(f"/referrals/{real}")).json()["links"].keys() == {"self", "withdraw", "correct-contact"}


async def test_trials_and_real_ones_never_meet(trying: Sender, sender: Sender, sign_in: SignIn, desk: Desk) -> None:
    """The same organisation, the same id, the same key, the same identity code: two referrals of two people."""
    headers = {"idempotency_key": "key-1"}
    real = (await sender.post(body(), **headers)).json()
    trial = (await trying.post(body(service="training"), **headers)).json()
    assert real["id"] != trial["id"]
    assert real["case_code"] != trial["case_code"]
    assert (await trying.post(body(service="training"), **headers)).json() == trial
    assert (await sender.post(body(), **headers)).json() == real
    assert (await trying.get(f"/referrals/{real['id']}")).status_code == 404
    assert (await sender.get(f"/referrals/{trial['id']}")).status_code == 404
    for machine, own in ((trying, trial), (sender, real)):
        assert [row["id"] for row in (await machine.get("/referrals")).json()["items"]] == [own["id"]]
        assert [row["id"] for row in (await machine.get("/referrals?external_id=TE-2026-000123")).json()["items"]] == [own["id"]]  # fmt: skip
    kept = await desk.repository.get(trial["id"], {})
    assert kept is not None
    nameless = f"{API}/names?person={kept.referral.person_id}"
    for who in (COORDINATOR, MANAGER):
        me = await sign_in(who)
        inbox = (await me.get(PAGES)).text
        assert trial["id"] not in inbox
        assert "Waits for an answer (1)" in inbox
        assert (await me.get(f"{PAGES}/{trial['id']}")).status_code == 404
        assert (await me.get(f"{API}/referrals/{trial['id']}/person")).status_code == 404
        assert (await me.command(f"/referrals/{trial['id']}/accept", {}, 1)).status_code == 404
        assert trial["id"] not in (await me.get(f"{PAGES}/{real['id']}")).text
        assert (await me.get(nameless)).json() == {"names": {}}
    await play(trying, trial, "accept")
    assert (await (await sign_in(COACH)).get(nameless)).json() == {"names": {}}
    theirs = await sign_in(REFERRER)
    assert trial["id"] not in (await theirs.get(PAGES)).text
    assert "Waits for an answer (1)" in (await theirs.get(PAGES)).text


async def test_people_without_a_code_are_apart_too(trying: Sender, sender: Sender) -> None:
    plain = {"person__identity_code": ..., "person__date_of_birth": "1994-05-01"}
    assert (await sender.sent(**plain))["case_code"] != (await trying.sent(**plain))["case_code"]


async def test_a_database_from_before_there_were_trials(sender: Sender, trying: Sender, desk: Desk) -> None:
    """Its indexes knew one id per organisation, and its referrals say nothing of being trials."""
    referrals = desk.repository.database["referrals"]
    await referrals.drop_indexes()
    await referrals.create_index([("organisation_id", 1), ("external_id", 1)], name="external_id", unique=True)
    old = await sender.sent()
    await referrals.update_one({"_id": old["id"]}, {"$unset": {"test": ""}})
    await desk.repository.create_indexes()
    await desk.repository.create_indexes()  # by several processes, or again
    assert not {"external_id", "idempotency_key"} & (await referrals.index_information()).keys()
    assert (await sender.post(body())).json() == old
    assert (await sender.post(body(service="training"))).json()["code"] == "idempotency-mismatch"
    assert (await trying.sent())["id"] != old["id"]


async def test_trials_take_artificial_people_alone(sender: Sender, trying: Sender, desk: Desk) -> None:
    object.__setattr__(desk, "identity_codes", "real")  # as a production service
    assert (await sender.post(body())).json()["errors"][0]["code"] == "identity-artificial"
    assert (await trying.post(body())).status_code == 201
    real = await trying.post(body("A-2", person__identity_code="131052-308T"))
    assert real.json()["errors"][0]["code"] == "identity-not-artificial"


async def test_nothing_is_said_aloud_of_a_trial(trying: Sender, desk: Desk, clock: Clock) -> None:
    shown = await trying.sent()
    await say(trying, shown, "withdraw", reason="sent-in-error")
    assert await said(desk) == ["polku.referral.received.v1", "polku.referral.withdrawn.v1"]
    person = await desk.repository.database["persons"].find_one({})
    assert person is not None
    assert person["test"] is True
