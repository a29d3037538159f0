"""What the FHIR door sends is R4, and says each state in the words of the partner's profile."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from polku_referral.fhir import codes
from polku_referral.fhir.capability import capability
from polku_referral.fhir.models import faults, written
from polku_referral.fhir.outcomes import expression, outcome
from polku_referral.fhir.writing import Writer
from polku_referral.model.referral import COMMANDS, UNKNOWN
from polku_referral.wire import MessageOut, ReferralOut, StepOut
from polku_web.codes import read_codes

from .fhir_material import OWN, R4
from .material import ORIGIN, TOWN

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LONG = "Kuinka monta päivää viikossa?"


def stands(state: str, **changes: Any) -> ReferralOut:
    told = {
        "id": "0197cccc-0000-7000-8000-000000000001",
        "external_id": "TE-2026-000123",
        "case_code": "K-7F3K2",
        "programme": "kainuu",
        "route": "employment-service",
        "service": "work-activity",
        "state": state,
        "version": 3,
        "urgency": "urgent",
        "referred_on": date(2026, 2, 27),
        "received_at": AT,
        "answer_due": date(2026, 3, 16),
        "history": [StepOut(kind="received", at=AT, party="sender")],
        "commands": ["withdraw"],
        "links": {},
    }
    return ReferralOut(**{**told, **changes})


FULL: dict[str, Any] = {
    "receipt": "a.b.c",
    "sender_due": date(2026, 3, 9),
    "review_on": date(2026, 4, 1),
    "accepted_on": date(2026, 3, 3),
    "starts_on": date(2026, 3, 10),
    "forwarded_to": "kainuun-pajat",
    "reason": "other",
    "reason_text": "Muu syy kuin listalla.",
    "outcome": "work",
    "concluded_on": date(2026, 9, 1),
    "mapped": {"route": "A1"},
    "unmapped": {"service": "B7"},
    "service": UNKNOWN,
    "messages": [MessageOut(kind="question", at=AT, party="project", text=LONG)],
}


def writer(profile: codes.Profile, lang: str = "fi") -> Writer:
    known = read_codes("polku_referral")
    return Writer(OWN, f"{ORIGIN}/referral/fhir/r4", TOWN, profile, lambda name, code: known.label(name, code, lang))


def valid(resource: dict[str, Any]) -> dict[str, Any]:
    """As it goes out, after it was held against R4 by another library."""
    sent: dict[str, Any] = json.loads(written(resource))
    R4[sent["resourceType"]](sent, strict=True)
    return sent


@pytest.mark.parametrize("profile", ["sdoh", "bser"])
@pytest.mark.parametrize("more", [{}, FULL], ids=["bare", "full"])
@pytest.mark.parametrize("state", COMMANDS)
def test_every_state_is_valid_r4(state: str, more: dict[str, Any], profile: codes.Profile) -> None:
    write, shown = writer(profile), stands(state, **more)
    order, task = valid(write.order(shown)), valid(write.task(shown))
    assert order["id"] == task["id"] == shown.id
    assert task["businessStatus"]["coding"][-1]["code"] == state
    assert faults(order) == faults(task) == []
    found = valid(write.searchset([order, task], 2, {"self": f"{ORIGIN}/x", "next": f"{ORIGIN}/y"}))
    assert [entry["resource"]["id"] for entry in found["entry"]] == [shown.id] * 2
    valid(write.searchset([], 0, {"self": f"{ORIGIN}/x"}))


SAID_ELSEWHERE = ("history", "links")
"""FHIR's Task has no place for them but its own history, which this door does not have."""


@pytest.mark.parametrize("state", ["declined", "concluded"])
def test_everything_that_the_json_door_shows_is_said(state: str) -> None:
    more = FULL | {"test": True, "unmapped": {"service": "B7", "municipality": "Kajaani"}}
    shown = stands(state, **(more | {"accepted_on": None} if state == "declined" else more))
    write = writer("sdoh")
    said = json.dumps([write.order(shown), write.task(shown)], ensure_ascii=False)
    told = shown.model_dump(mode="json", exclude={*SAID_ELSEWHERE, "test", "messages", "unmapped", "received_at"})
    left_out = {"declined": "outcome", "concluded": "reason"}[state]  # of the other end
    for name, value in {**told, "urgency": "urgent", "service": "B7", "test": "HTEST", "message": LONG}.items():
        values = value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]
        for one in values:
            assert name.startswith(left_out) or one is None or f'"{one}"' in said, name
    assert "municipality" in said
    assert shown.received_at.strftime("%Y-%m-%dT%H:%M") in said


@pytest.mark.parametrize(
    ("state", "order", "sdoh", "bser", "business"),
    [
        ("received", "active", "requested", "received", "2.0"),
        ("question", "active", "requested", "received", "2.0"),
        ("waitlisted", "active", "on-hold", "on-hold", None),
        ("accepted", "active", "accepted", "accepted", "3.0"),
        ("withdrawal-requested", "revoked", "accepted", "in-progress", "5.2"),
        ("declined", "active", "rejected", "rejected", "4.0"),
        ("forwarded", "active", "rejected", "rejected", "4.0"),
        ("withdrawn", "revoked", "cancelled", "cancelled", "6.0"),
        ("expired", "active", "cancelled", "cancelled", "6.0"),
        ("concluded", "completed", "completed", "completed", "7.0"),
    ],
)
def test_states_in_the_words_of_each_profile(
    state: str, order: str, sdoh: str, bser: str, business: str | None
) -> None:
    shown = stands(state)
    assert writer("sdoh").order(shown)["status"] == order
    assert writer("sdoh").task(shown)["status"] == sdoh
    told = writer("bser").task(shown)
    assert told["status"] == bser
    numbered = [coding["code"] for coding in told["businessStatus"]["coding"] if coding["system"] == codes.BSER]
    assert numbered == ([business] if business else [])
    # Gravity's value set has no `received`, and BSeR's first word is no `requested`.
    assert "received" not in {fulfilment.status for fulfilment in codes.TASK["sdoh"].values()}
    assert "requested" not in {fulfilment.status for fulfilment in codes.TASK["bser"].values()}


def test_why_is_said_in_the_reader_s_language() -> None:
    declined = stands("declined", reason="no-capacity", reason_text=None)
    assert writer("sdoh", "sv").task(declined)["statusReason"]["text"] == "Inga lediga platser"
    told = writer("sdoh").task(stands("declined", reason="other", reason_text="Paikat täynnä."))["statusReason"]
    assert (told["coding"][0]["code"], told["text"]) == ("other", "Paikat täynnä.")
    asked = writer("sdoh").task(stands("question", messages=FULL["messages"]))
    assert (asked["statusReason"]["text"], asked["note"][0]["text"]) == (LONG, LONG)
    forwarded = writer("sdoh").task(stands("forwarded", messages=FULL["messages"]))
    assert forwarded["statusReason"]["text"] == "Välitetty eteenpäin"


def test_the_sender_s_own_codes_stand_beside_ours() -> None:
    order = writer("sdoh").order(stands("received", **FULL))
    own = OWN.senders_codes(TOWN)
    assert [coding["code"] for coding in order["category"][1]["coding"]] == ["employment-service", "A1"]
    assert order["code"]["coding"] == [{"system": own, "code": "B7"}]
    mapped = {"reason": "R1", "outcome": "T1"}
    declined = writer("sdoh").task(stands("declined", reason="no-capacity", mapped=mapped))
    assert [coding["code"] for coding in declined["statusReason"]["coding"]] == ["no-capacity", "R1"]
    concluded = writer("sdoh").task(stands("concluded", outcome="work", mapped=mapped))
    assert concluded["output"][0]["valueCodeableConcept"]["coding"][1] == {"system": own, "code": "T1"}


def test_the_statement_of_capabilities_is_r4() -> None:
    told = valid(capability(ORIGIN, f"{ORIGIN}/referral/fhir/r4"))
    assert told["fhirVersion"] == "4.0.1"
    assert f"{ORIGIN}/referral/oauth/token" in told["rest"][0]["security"]["description"]


def test_outcomes_are_r4() -> None:
    said = {"code": "invalid", "title": "Something", "instance": "urn:trace:1", "errors": [
        {"pointer": "/contained/0/birthDate", "code": "date-type", "message": "No."},
        {"pointer": "/_count", "code": "not-valid", "message": "No.", "in": "query"},
    ]}  # fmt: skip
    first, second = valid(outcome(said, OWN, "ServiceRequest"))["issue"]
    assert first["expression"] == ["ServiceRequest.contained[0].birthDate"]
    assert second["location"] == ["http:_count"]
    (plain,) = valid(outcome({**said, "errors": []}, OWN, ""))["issue"]
    assert plain["details"]["text"] == "Something"


@pytest.mark.parametrize(
    ("pointer", "said"),
    [
        ("", "Task"),
        ("/status", "Task.status"),
        ("/entry/12/resource/name/0/given/1", "Task.entry[12].resource.name[0].given[1]"),
    ],
)
def test_places_are_fhirpath(pointer: str, said: str) -> None:
    assert expression(pointer, "Task") == said
