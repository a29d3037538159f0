"""The rules of referrals and persons: given, when, then. And the same over a real database, when two are at it."""

import asyncio
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import pytest

from polku_events.referral import (
    PersonAgeStated,
    ReferralAccepted,
    ReferralConcluded,
    ReferralDeclined,
    ReferralReceived,
)
from polku_events.refusals import Refused
from polku_referral.desk import Desk
from polku_referral.model.answers import accept, decline
from polku_referral.model.person import LETTERS, Person, new_case_code, state_age
from polku_referral.model.referral import COMMANDS, Referral, conclude, receive

from .conftest import Sender, SignIn, said
from .material import COORDINATOR, MANAGER, TODAY

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)


def received(**changes: Any) -> Referral:
    told: dict[str, Any] = {
        "referral_id": "referral-1",
        "external_id": "TE-1",
        "organisation_id": "organisation-1",
        "person_id": "person-1",
        "case_code": "K-7F3K2",
        "programme": "kainuu",
        "route": "self",
        "service": "training",
        "urgency": "normal",
        "referred_on": date(2026, 2, 27),
        "answer_due": date(2026, 3, 16),
        "at": AT,
        "by": "client-1",
    }
    return receive(**{**told, **changes})[0]


def accepted() -> Referral:
    return accept(received(), coordinator_id="staff-1", on=TODAY, at=AT, by="staff-1")[0]


def declined() -> Referral:
    return decline(received(), reason="no-capacity", on=TODAY, at=AT, by="staff-1")[0]


def concluded() -> Referral:
    return conclude(accepted(), outcome="work", on=TODAY, at=AT)[0]


def test_received() -> None:
    referral = received()
    assert (referral.state, referral.version, referral.answer_due) == ("received", 1, date(2026, 3, 16))
    assert [(step.kind, step.by) for step in referral.history] == [("received", "client-1")]
    _, (event,) = receive(
        referral_id="r", external_id="e", organisation_id="o", person_id="p", case_code="K-22222", programme="kainuu",
        route="self", service="training", urgency="urgent", referred_on=TODAY, answer_due=date(2026, 3, 5), at=AT, by="c",
    )  # fmt: skip
    assert isinstance(event, ReferralReceived)
    assert (event.answer_due, event.partition_key) == (date(2026, 3, 5), "p")


def test_accepted() -> None:
    before = received()
    after, events = accept(before, coordinator_id="staff-2", on=date(2026, 3, 1), at=AT, by="staff-1")
    assert (after.state, after.version, after.coordinator_id, after.accepted_on) == ("accepted", 2, "staff-2", date(2026, 3, 1))  # fmt: skip
    assert [type(event) for event in events] == [ReferralAccepted]
    assert before == received()


def test_declined() -> None:
    after, events = decline(received(), reason="no-capacity", on=TODAY, at=AT, by="staff-1")
    assert (after.state, after.version, after.reason) == ("declined", 2, "no-capacity")
    assert [type(event) for event in events] == [ReferralDeclined]


def test_concluded() -> None:
    after, events = conclude(accepted(), outcome="work", on=TODAY, at=AT)
    assert (after.state, after.version, after.outcome, after.concluded_on) == ("concluded", 3, "work", TODAY)
    assert [type(event) for event in events] == [ReferralConcluded]
    assert after.history[-1].by is None


@pytest.mark.parametrize("given", [accepted, declined, concluded])
@pytest.mark.parametrize(
    "when",
    [
        lambda r: accept(r, coordinator_id="s", on=TODAY, at=AT, by="s"),
        lambda r: decline(r, reason="no-capacity", on=TODAY, at=AT, by="s"),
    ],
)
def test_an_answer_is_given_once(given: Any, when: Any) -> None:
    with pytest.raises(Refused) as refused:
        when(given())
    assert refused.value.code == "wrong-state"
    assert COMMANDS[given().state] == ()


@pytest.mark.parametrize("given", [received, declined, concluded])
def test_only_what_was_accepted_concludes(given: Any) -> None:
    with pytest.raises(Refused):
        conclude(given(), outcome="work", on=TODAY, at=AT)


def test_no_event_says_who_somebody_is() -> None:
    for _, events in (
        accept(received(external_id="TE-SECRET"), coordinator_id="s", on=TODAY, at=AT, by="s"),
        decline(received(external_id="TE-SECRET"), reason="other", on=TODAY, at=AT, by="s"),
    ):
        assert all("TE-SECRET" not in event.model_dump_json() for event in events)


# -- persons ------------------------------------------------------------------------------------------------


def test_case_codes_can_be_read_aloud() -> None:
    codes = {new_case_code(Random(seed)) for seed in range(200)}
    assert len(codes) == 200
    assert all(code.startswith("K-") and len(code) == 7 and set(code[2:]) <= set(LETTERS) for code in codes)
    assert set("01ILO").isdisjoint(LETTERS)


def stated(person: Person, version: int, on: date = TODAY) -> tuple[Person, PersonAgeStated]:
    after, (event,) = state_age(person, pathway_id="pathway-1", pathway_version=version, on=on, born=date(1994, 5, 1))
    assert isinstance(event, PersonAgeStated)
    return after, event


def test_the_age_is_stated_by_the_pathway_s_version() -> None:
    fresh = Person(id="person-1", case_code="K-22222")
    assert not fresh.has_stated("pathway-1", 2)
    first, event = stated(fresh, 2)
    assert (event.age, event.on, first.version) == (31, TODAY, 1)
    assert first.has_stated("pathway-1", 1)
    assert first.has_stated("pathway-1", 2)
    assert not first.has_stated("pathway-1", 3)
    assert not first.has_stated("pathway-2", 1)
    second, event = stated(first, 4, date(2026, 5, 1))
    assert (event.age, second.version) == (32, 2)


def test_a_late_correction_of_an_older_version_is_no_news() -> None:
    """Version 3 moves the day, version 4 moves it back; 3 comes last."""
    person, _ = stated(Person(id="person-1", case_code="K-22222"), 2)
    person, _ = stated(person, 4)
    assert person.has_stated("pathway-1", 3)


@pytest.mark.parametrize("on", [date(1994, 4, 30), date(2115, 5, 1)])
def test_an_age_that_nobody_has(on: date) -> None:
    with pytest.raises(Refused) as refused:
        stated(Person(id="person-1", case_code="K-22222"), 2, on)
    assert refused.value.code == "age-out-of-range"


# -- two at once --------------------------------------------------------------------------------------------


async def test_accept_and_decline_at_once(sender: Sender, sign_in: SignIn, desk: Desk) -> None:
    """Fifty rounds: one truth, the other hears 409 with that truth, and one answer leaves the service."""
    one, two = await sign_in(COORDINATOR), await sign_in(MANAGER)
    won = {"accepted": 0, "declined": 0}
    for number in range(50):
        at = f"/referrals/{(await sender.sent(f'A-{number}'))['id']}"
        wishes = [
            one.command(f"{at}/accept", {}, 1),
            two.command(f"{at}/decline", {"reason": "other", "text": "tahtoo-töihin"}, 1),
        ]
        answers = await asyncio.gather(*(wishes if number % 2 else reversed(wishes)))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        winner, loser = sorted(answers, key=lambda answer: answer.status_code)
        truth = (await sender.get(at)).json()
        assert truth["state"] == winner.json()["state"] == loser.json()["present"]["state"]
        assert (truth["version"], truth["reason_text"] is not None) == (2, truth["state"] == "declined")
        won[truth["state"]] += 1
    events = await said(desk)
    assert len(events) == 100
    assert events.count("polku.referral.accepted.v1") == won["accepted"]
    assert events.count("polku.referral.declined.v1") == won["declined"]
