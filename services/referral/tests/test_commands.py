"""What the project and the sender say to each other about a referral: every command and what it refuses."""

import asyncio
from typing import Any

import pytest

from polku_referral.desk import Desk
from polku_runtime.testing import Clock

from .conftest import Person, Sender, SignIn, said
from .material import (
    API,
    COORDINATOR,
    MANAGER,
    OPEN,
    PAGES,
    REFERRER,
    leaks,
)

# -- the project ------------------------------------------------------------------------------------------


async def test_a_question_and_its_answer(sender: Sender, me: Person, desk: Desk) -> None:
    at = (await sender.sent())["id"]
    asked = await me.command(f"/referrals/{at}/ask", {"text": " Onko hakija jo harjoittelussa? "}, 1)
    assert (asked.status_code, asked.headers["etag"], asked.json()["state"]) == (200, '"2"', "question")
    assert asked.json()["commands"] == OPEN
    heard = await sender.told(at)
    assert (heard["sender_due"], heard["commands"]) == ("2026-03-09", ["answer", "withdraw", "correct-contact"])
    assert heard["links"]["answer"] == {"href": f"{API}/referrals/{at}/answer", "method": "POST"}
    assert [(m["kind"], m["party"], m["text"]) for m in heard["messages"]] == [
        ("question", "project", "Onko hakija jo harjoittelussa?")
    ]

    answered = await sender.command(at, "answer", {"text": "Ei ole."}, 2)
    assert (answered.status_code, answered.json()["state"], answered.json()["sender_due"]) == (200, "received", None)
    assert answered.json()["answer_due"] == "2026-03-16"
    await me.command(f"/referrals/{at}/ask", {"text": "Entä opinnot?", "sender_due": "2026-03-05"}, 3)
    heard = await sender.told(at)
    assert heard["sender_due"] == "2026-03-05"
    assert [m["text"] for m in heard["messages"]] == ["Onko hakija jo harjoittelussa?", "Ei ole.", "Entä opinnot?"]
    project = (await me.get(f"{API}/referrals/{at}")).json()
    assert project["messages"] == heard["messages"]
    assert [step["kind"] for step in heard["history"]] == ["received", "question-asked", "answered", "question-asked"]
    assert await said(desk) == [
        "polku.referral.received.v1",
        "polku.referral.question-asked.v1",
        "polku.referral.answered.v1",
        "polku.referral.question-asked.v1",
    ]
    row = await desk.repository.database["referrals"].find_one({"_id": at})
    assert not any(text in str(row) for text in ("harjoittelussa", "Ei ole", "opinnot"))
    looks = [(look["kind"], look["classes"]) async for look in desk.audit.rows.find({"action": "read-messages"})]
    assert ("client", ["question"]) in looks
    assert ("staff", ["question", "answer"]) in looks


async def test_a_sender_never_sees_who_of_the_project_it_was(sender: Sender, me: Person) -> None:
    at = (await sender.sent())["id"]
    await me.command(f"/referrals/{at}/ask", {"text": "Kysymys"}, 1)
    shown = await sender.get(f"/referrals/{at}")
    assert COORDINATOR not in shown.text
    assert [(step["party"], step["by"]) for step in shown.json()["history"]] == [("sender", None), ("project", None)]
    ours = (await me.get(f"{API}/referrals/{at}")).json()["history"]
    assert [(step["party"], step["by"]) for step in ours] == [("sender", sender.client_id), ("project", COORDINATOR)]


async def test_waiting_for_a_place(sender: Sender, me: Person) -> None:
    at = (await sender.sent())["id"]
    answer = await me.command(f"/referrals/{at}/waitlist", {"review_on": "2026-04-15", "text": "Huhtikuussa."}, 1)
    assert (answer.status_code, answer.json()["commands"]) == (200, ["accept", "decline"])
    heard = await sender.told(at)
    assert (heard["state"], heard["review_on"], heard["answer_due"]) == ("waitlisted", "2026-04-15", "2026-04-15")
    assert heard["messages"][0]["text"] == "Huhtikuussa."
    assert heard["commands"] == ["withdraw", "correct-contact"]
    done = await me.command(f"/referrals/{at}/accept", {"starts_on": "2026-03-09"}, 2)
    assert (done.status_code, done.json()["starts_on"]) == (200, "2026-03-09")
    assert (await sender.told(at))["commands"] == ["request-withdrawal"]


async def test_given_on_to_a_partner(sender: Sender, me: Person, desk: Desk) -> None:
    at = (await sender.sent())["id"]
    answer = await me.command(f"/referrals/{at}/forward", {"partner": "kainuu-hyvinvointi", "text": "Sovittu."}, 1)
    assert (answer.status_code, answer.json()["commands"]) == (200, [])
    heard = await sender.told(at)
    assert (heard["state"], heard["forwarded_to"], heard["messages"][0]["kind"]) == ("forwarded", "kainuu-hyvinvointi", "forward")  # fmt: skip
    assert "Kainuu-Hyvinvointi" in (await me.get(f"{PAGES}/{at}")).text


@pytest.mark.parametrize(
    ("name", "sent", "pointer"),
    [
        ("ask", {}, "/text"),
        ("ask", {"text": "  "}, "/text"),
        ("ask", {"text": "x" * 1001}, "/text"),
        ("ask", {"text": "?", "sender_due": "2026-03-02"}, "/sender_due"),
        ("ask", {"text": "?", "sender_due": "2028-03-02"}, "/sender_due"),
        ("waitlist", {}, "/review_on"),
        ("waitlist", {"review_on": "2026-03-02"}, "/review_on"),
        ("waitlist", {"review_on": "2027-04-02"}, "/review_on"),
        ("waitlist", {"review_on": "pian"}, "/review_on"),
        ("forward", {"partner": "nowhere"}, "/partner"),
        ("forward", {"partner": "kajaani"}, "/partner"),
        ("forward", {"partner": {"$ne": ""}}, "/partner"),
        ("accept", {"starts_on": "2026-02-01"}, "/starts_on"),
        ("accept", {"starts_on": "2027-12-01"}, "/starts_on"),
        ("confirm-withdrawal", {"really": True}, "/really"),
    ],
)
async def test_commands_of_the_project_that_do_not_hold(
    sender: Sender, me: Person, name: str, sent: dict[str, Any], pointer: str
) -> None:
    answer = await me.command(f"/referrals/{(await sender.sent())['id']}/{name}", sent, 1)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


# -- its sender -------------------------------------------------------------------------------------------


async def test_taken_back_before_the_answer(sender: Sender, me: Person, desk: Desk) -> None:
    at = (await sender.sent())["id"]
    wish = {"reason": "other", "text": "Muutti toiseen kuntaan."}
    done = await sender.command(at, "withdraw", wish, 1)
    assert (done.status_code, done.json()["state"], done.json()["commands"]) == (200, "withdrawn", [])
    late = await me.command(f"/referrals/{at}/accept", {}, 1)
    assert (late.status_code, late.json()["present"]["state"]) == (409, "withdrawn")
    assert (await said(desk))[-1] == "polku.referral.withdrawn.v1"
    page = (await me.get(f"{PAGES}/{at}")).text
    assert "Another reason: Muutti toiseen kuntaan." in page
    assert "Withdrawn" in page


async def test_asked_back_after_the_answer(sender: Sender, me: Person, desk: Desk) -> None:
    at = (await sender.sent())["id"]
    too_early = await sender.command(at, "request-withdrawal", {"reason": "sent-in-error"}, 1)
    assert (too_early.status_code, too_early.json()["code"]) == (409, "wrong-state")
    present = too_early.json()["present"]  # as after a lost race: what may be done instead
    assert (present["state"], present["commands"]) == ("received", ["withdraw", "correct-contact"])
    assert (await me.command(f"/referrals/{at}/accept", {}, 1)).status_code == 200
    too_late = await sender.command(at, "withdraw", {"reason": "sent-in-error"}, 2)
    assert (too_late.status_code, too_late.json()["code"]) == (409, "wrong-state")
    wish = {"reason": "person-declined", "text": "Soitti tänään."}
    assert (await sender.command(at, "request-withdrawal", wish, 2)).json()["state"] == "withdrawal-requested"
    page = f"{PAGES}/{at}"
    text = (await me.get(page)).text
    assert "The sender wants it back" in text
    assert "Soitti tänään." in text
    given_back = await me.submit(page, f"{page}/confirm-withdrawal")
    assert given_back.headers["location"] == f"{page}?done=confirm-withdrawal"
    assert "/confirm-withdrawal" not in (await me.get(page)).text
    heard = await sender.told(at)
    assert (heard["state"], heard["reason"], heard["reason_text"]) == ("withdrawn", "person-declined", None)
    row = await desk.repository.database["referrals"].find_one({"_id": at})
    assert row is not None
    assert row["outbox"][-1]["data"]["reason"] == "person-declined"


async def test_contact_data_corrected(sender: Sender, me: Person, desk: Desk) -> None:
    at = (await sender.sent())["id"]
    assert (await sender.command(at, "correct-contact", {"phone": "+358 50 5550111"}, 1)).status_code == 200
    changed = await sender.command(at, "correct-contact", {"email": None, "protected_address": True}, 2)
    assert (changed.status_code, changed.json()["state"], changed.json()["version"]) == (200, "received", 3)
    assert "5550111" not in changed.text
    person = (await me.get(f"{API}/referrals/{at}/person")).json()
    assert person["contact"] == {
        "municipality": "205",
        "phone": "+358 50 5550111",
        "email": None,
        "protected_address": True,
    }
    page = (await me.get(f"{PAGES}/{at}")).text
    assert "+358 50 5550111" in page
    assert "non-disclosure" in page
    row = await desk.repository.database["referrals"].find_one({"_id": at})
    assert "5550111" not in str(row)
    # Told of one referral, the order holds for the person; and it is lifted where it was told.
    other = (await sender.sent("A-2"))["id"]
    assert (await me.get(f"{API}/referrals/{other}/person")).json()["contact"]["protected_address"] is True
    await sender.command(at, "correct-contact", {"protected_address": False}, 3)
    assert (await me.get(f"{API}/referrals/{other}/person")).json()["contact"]["protected_address"] is False


@pytest.mark.parametrize(
    ("name", "sent", "pointer"),
    [
        ("withdraw", {}, "/reason"),
        ("withdraw", {"reason": "no-capacity"}, "/reason"),
        ("withdraw", {"reason": "other"}, "/text"),
        ("withdraw", {"reason": "other", "text": "\u202e"}, "/text"),
        ("answer", {"text": ""}, "/text"),
        ("correct-contact", {}, ""),
        ("correct-contact", {"phone": "soita"}, "/phone"),
        ("correct-contact", {"municipality": "Kajaani"}, "/municipality"),
        ("correct-contact", {"protected_address": "yes"}, "/protected_address"),
        ("correct-contact", {"identity_code": "010594Y9032"}, "/identity_code"),
    ],
)
async def test_commands_of_the_sender_that_do_not_hold(
    sender: Sender, name: str, sent: dict[str, Any], pointer: str
) -> None:
    answer = await sender.command((await sender.sent())["id"], name, sent, 1)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert leaks(answer.text) == []


async def test_commands_take_the_version(sender: Sender, me: Person) -> None:
    at = (await sender.sent())["id"]
    for name, sent in (("withdraw", {"reason": "sent-in-error"}), ("correct-contact", {"phone": None})):
        assert (await sender.command(at, name, sent, None)).status_code == 428
        assert (await sender.command(at, name, sent, 7)).status_code == 409
    for name, wish in (
        ("ask", {"text": "?"}),
        ("waitlist", {"review_on": "2026-04-01"}),
        ("forward", {"partner": "x"}),
    ):
        assert (await me.command(f"/referrals/{at}/{name}", wish)).status_code == 428
    assert (await sender.told(at))["version"] == 1


async def test_an_erased_person_s_messages(sender: Sender, me: Person, desk: Desk, clock: Clock) -> None:
    at = (await sender.sent())["id"]
    await me.command(f"/referrals/{at}/ask", {"text": "Kysymys"}, 1)
    kept = await desk.repository.get(at, {})
    assert kept is not None
    known = await desk.repository.person(kept.referral.person_id)
    assert known is not None
    await desk.vault.destroy(known.key)
    async with asyncio.timeout(10):  # libmongocrypt keeps an opened key for five seconds
        while (shown := await sender.get(f"/referrals/{at}")).json()["messages"] is not None:
            await asyncio.sleep(0.2)
    assert (shown.status_code, shown.json()["messages"], shown.json()["state"]) == (200, None, "question")
    refused = await sender.command(at, "answer", {"text": "Vastaus"}, 2)
    assert (refused.status_code, refused.json()["refusal"]) == (409, "erased")


async def test_every_state_on_the_pages(sender: Sender, me: Person, sign_in: SignIn) -> None:
    """Whatever the state is, both sides' pages show it and offer nothing that would be refused."""
    wishes: dict[str, list[tuple[str, dict[str, Any], bool]]] = {
        "received": [],
        "question": [("ask", {"text": "?"}, False)],
        "waitlisted": [("waitlist", {"review_on": "2026-04-01"}, False)],
        "accepted": [("accept", {}, False)],
        "withdrawal-requested": [("accept", {}, False), ("request-withdrawal", {"reason": "sent-in-error"}, True)],
        "declined": [("decline", {"reason": "no-capacity"}, False)],
        "forwarded": [("forward", {"partner": "kainuu-hyvinvointi"}, False)],
        "withdrawn": [("withdraw", {"reason": "sent-in-error"}, True)],
    }
    theirs = await sign_in(REFERRER, "fi")
    for number, (state, steps) in enumerate(wishes.items()):
        at = (await sender.sent(f"S-{number}"))["id"]
        for version, (name, wish, by_sender) in enumerate(steps, start=1):
            done = await (
                sender.command(at, name, wish, version)
                if by_sender
                else me.command(f"/referrals/{at}/{name}", wish, version)
            )
            assert done.status_code == 200, (name, done.text)
        shown = (await me.get(f"{API}/referrals/{at}")).json()
        page = (await me.get(f"{PAGES}/{at}")).text
        assert shown["state"] == state
        for name in ("accept", "decline", "confirm-withdrawal", "map-codes"):
            assert (f'action="{PAGES}/{at}/{name}"' in page) == (name in shown["commands"]), (state, name)
        assert (await theirs.get(f"{PAGES}/{at}")).status_code == 200
        assert at in (await me.get(f"{PAGES}?state={state}")).text
    assert (await theirs.get(PAGES)).text.count("<tr id=") == len(wishes)
    manager = await sign_in(MANAGER, "sv")
    assert (await manager.get(PAGES)).status_code == 200
