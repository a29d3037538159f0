"""The same referral in JSON and in resources: nothing that both can say is lost, in either direction."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from fhirclient.models.bundle import Bundle
from fhirclient.models.capabilitystatement import CapabilityStatement
from fhirclient.models.operationoutcome import OperationOutcome
from fhirclient.models.servicerequest import ServiceRequest
from fhirclient.models.task import Task
from hypothesis import given, settings
from hypothesis import strategies as st

from polku_referral.fhir import codes
from polku_referral.fhir.capability import capability
from polku_referral.fhir.models import faults, written
from polku_referral.fhir.outcomes import expression, outcome
from polku_referral.fhir.reading import read
from polku_referral.fhir.writing import Writer
from polku_referral.model.referral import COMMANDS, UNKNOWN
from polku_referral.wire import MessageOut, ReferralIn, ReferralOut, StepOut
from polku_web.codes import read_codes
from polku_web.problems import Problem

from .fhir_material import OWN, bundled, contained, resources, service_request, transaction
from .material import ORIGIN, TOWN, body

R4 = {
    "ServiceRequest": ServiceRequest,
    "Task": Task,
    "Bundle": Bundle,
    "OperationOutcome": OperationOutcome,
    "CapabilityStatement": CapabilityStatement,
}
"""Another library's definitions, made from R4 (4.0.1); in strict mode they refuse what R4 does not know or misses."""

codes_of = read_codes("polku_referral").lists
lines = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Zl", "Zp", "Zs")), min_size=1, max_size=30
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf")) | st.just("\n"), max_size=60)
days = st.dates(date(1930, 1, 1), date(2030, 12, 31)).map(date.isoformat)


def any_of(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(codes_of[name]))


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object that may leave any of these out."""
    return st.fixed_dictionaries({}, optional=fields)


contacts = {"phone": st.from_regex(r"\A[+0-9() -]{4,30}\Z"), "email": st.from_regex(r"\A[a-zåäö.]{1,9}@[a-z.]{1,9}\Z")}
names = st.lists(lines, min_size=1, max_size=3).map(" ".join)
persons = st.fixed_dictionaries(
    {"given_names": names, "family_name": names, "identity_code": st.from_regex(r"\A[0-9A-Z+-]{11}\Z")},
    optional=contacts
    | {
        "date_of_birth": days,
        "language": any_of("language"),
        "municipality": st.from_regex(r"\A[0-9]{3}\Z"),
        "protected_address": st.booleans(),
    },
)
bodies = st.fixed_dictionaries(
    {
        "external_id": st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}\Z"),
        "programme": any_of("programme"),
        "route": any_of("route"),
        "service": any_of("service"),
        "referred_on": days,
        "person": persons,
        "ground": st.fixed_dictionaries({"basis": any_of("basis"), "given_on": days}, optional={"text": texts}),
        "labour_market": st.fixed_dictionaries({"status": any_of("labour_market_status")}, optional={"since": days}),
        "reason": some(goals=st.lists(any_of("goal"), max_size=10), text=texts),
        "sender": st.fixed_dictionaries({"unit": names, "name": names}, optional=contacts),
    },
    optional={"urgency": any_of("urgency")},
)


@given(bodies, st.sampled_from([contained, bundled]))
@settings(max_examples=150, deadline=None)
def test_what_both_doors_can_say_survives(told: dict[str, Any], made: Callable[..., dict[str, Any]]) -> None:
    sent = made(*resources(told))
    read_back, _ = read(json.loads(json.dumps(sent)), OWN, TOWN)
    assert read_back == ReferralIn.model_validate(told)
    assert R4[sent["resourceType"]](sent, strict=True).as_json() == sent


@pytest.mark.parametrize("make", [service_request, transaction])
def test_every_value_knows_where_it_stood(make: Callable[..., dict[str, Any]]) -> None:
    sent = make()
    read_back, told = read(sent, OWN, TOWN)

    def at(pointer: str, value: Any) -> Any:
        for name in pointer.split("/")[1:]:
            value = value[int(name)] if isinstance(value, list) else value[name]
        return value

    def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
        if inner is None:
            yield pointer, value
        for name, one in inner or ():
            yield from leaves(one, f"{pointer}/{name}")

    for pointer, value in leaves(read_back.model_dump(mode="json", exclude_defaults=True)):
        stood = at(told.places[pointer], sent)
        assert value in (stood, "".join(stood)), pointer


# -- what is sent -------------------------------------------------------------------------------------------

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


def test_a_time_of_day_is_a_day_in_finland() -> None:
    sent = service_request()
    for value, day in (
        ("2026-02-27T23:30:00Z", "2026-02-28"),
        ("2026-02-27T00:30:00+02:00", "2026-02-27"),
        ("2026-02-27", "2026-02-27"),
    ):
        referral, _ = read({**sent, "authoredOn": value}, OWN, TOWN)
        assert referral.referred_on.isoformat() == day


def test_another_language_and_several_given_names() -> None:
    sent = service_request()
    patient = sent["contained"][0]
    patient["communication"] = [
        {"language": {"coding": [{"system": codes.LANGUAGES, "code": "sv-FI"}]}, "preferred": True}
    ]
    patient["name"][0] |= {"given": ["Aino", "Kanarialintu"], "text": "Aino Kanarialintu"}
    referral, _ = read(sent, OWN, TOWN)
    assert (referral.person.language, referral.person.given_names) == ("sv", "Aino Kanarialintu")


def wrong(sent: dict[str, Any]) -> list[tuple[str, str]]:
    with pytest.raises(Problem) as found:
        read(sent, OWN, TOWN)
    assert (found.value.status, found.value.code) == (422, "invalid")
    return [(error.pointer, error.code) for error in found.value.errors]


def changed(sent: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy with one value set at a JSON pointer; `...` takes it out."""
    copy = json.loads(json.dumps(sent))
    *way, last = path.split("/")[1:]
    place = copy
    for name in way:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if value is ...:
        place.pop(int(last) if isinstance(place, list) else last)
    elif isinstance(place, list):
        place.insert(int(last), value)
    else:
        place[last] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value", "place", "code"),
    [
        ("/occurrenceDateTime", "2026-03-01", "/occurrenceDateTime", "extra-forbidden"),
        ("/doNotPerform", True, "/doNotPerform", "extra-forbidden"),
        ("/modifierExtension", [{"url": "x", "valueBoolean": True}], "/modifierExtension", "extra-forbidden"),
        ("/implicitRules", "https://example.org", "/implicitRules", "extra-forbidden"),
        ("/_status", {"extension": [{"url": "x", "valueCode": "x"}]}, "/_status", "extra-forbidden"),
        ("/extension/0", {"url": "https://example.org/x", "valueCode": "x"}, "/extension/0", "extra-forbidden"),
        ("/identifier/1", {"system": "urn:x", "value": "2"}, "/identifier/1", "extra-forbidden"),
        ("/contained/0/multipleBirthBoolean", True, "/contained/0/multipleBirthBoolean", "extra-forbidden"),
        ("/contained/0/identifier/1", {"system": "urn:x", "value": "2"}, "/contained/0/identifier/1", "extra-forbidden"),
        ("/contained/0/name/1", {"family": "Entinen"}, "/contained/0/name/1", "extra-forbidden"),
        ("/contained/3", {"resourceType": "Patient", "id": "q"}, "/contained/3", "extra-forbidden"),
        ("/contained/3", {"resourceType": "Patient", "id": "p"}, "/contained/3", "not-valid"),
        ("/contained/3", {"resourceType": "Observation", "id": "q"}, "/contained/3/resourceType", "unknown-code"),
        ("/contained/3", {"resourceType": "Nothing", "id": "q"}, "/contained/3/resourceType", "unknown-code"),
        ("/status", "draft", "/status", "unknown-code"),
        ("/intent", "plan", "/intent", "unknown-code"),
        ("/status", ..., "/status", "missing"),
        ("/subject", {"reference": "Patient/1"}, "/subject/reference", "unknown-reference"),
        ("/subject", {"reference": "#c"}, "/subject/reference", "unknown-reference"),
        ("/subject", {"display": "Somebody"}, "/subject/reference", "unknown-reference"),
        ("/contained/2/patient", {"reference": "#o"}, "/contained/2/patient/reference", "unknown-reference"),
        ("/contained/2/status", "rejected", "/contained/2/status", "unknown-code"),
        ("/identifier/0/system", "urn:other", "/identifier/0/system", "unknown-code"),
        ("/contained/0/meta", {"security": [{"system": codes.CONFIDENTIALITY, "code": "X"}]}, "/contained/0/meta/security/0/code", "unknown-code"),
        ("/meta", {"security": [{"system": codes.CONFIDENTIALITY, "code": "R"}]}, "/meta/security", "extra-forbidden"),
        ("/category", {}, "/category", "missing"),
        ("/note", {}, "/note", "list-type"),
        ("/contained/0", "x", "/contained/0", "model-type"),
        ("/contained/3", '{"resourceType": "Patient"}', "/contained/3", "value-error"),
    ],
)  # fmt: skip
def test_nothing_is_lost_in_silence(path: str, value: Any, place: str, code: str) -> None:
    assert (place, code) in wrong(changed(service_request(), path, value))


@pytest.mark.parametrize(
    ("path", "value", "place", "code"),
    [
        ("/type", "batch", "/type", "unknown-code"),
        ("/entry/5", {"resource": {"resourceType": "Patient"}, "request": {"method": "POST", "url": "Patient"}}, "/entry/5/resource", "extra-forbidden"),
        ("/entry/0/request/method", "PUT", "/entry/0/request/method", "only-post"),
        ("/entry/0/request/url", "Task", "/entry/0/request/url", "unknown-code"),
        ("/entry/0/resource", '{"resourceType": "Patient"}', "/entry/0/resource", "not-valid"),
        ("/entry/0/resource", ..., "/entry/0/resource", "not-valid"),
        ("/entry/0/request", ..., "/entry/0/request", "needed"),
        ("/entry/0/fullUrl", "urn:uuid:other", "/entry/3/resource/subject/reference", "unknown-reference"),
        ("/entry/4/resource/status", "completed", "/entry/4/resource/status", "unknown-code"),
        ("/entry/4/resource/description", "Tee näin", "/entry/4/resource/description", "extra-forbidden"),
        ("/entry/4/resource/focus", {"reference": "ServiceRequest/9"}, "/entry/4/resource/focus/reference", "unknown-reference"),
        ("/entry/3", ..., "/entry", "one-order"),
        ("/entry", [], "/entry", "one-order"),
        ("/entry", ..., "/entry", "one-order"),
        ("/entry", ["x", 1], "/entry", "one-order"),
    ],
)  # fmt: skip
def test_transactions_that_do_not_hold(path: str, value: Any, place: str, code: str) -> None:
    assert (place, code) in wrong(changed(transaction(), path, value))


def test_labels_and_what_is_said_of_the_copy_do_not_matter() -> None:
    sent = service_request()
    sent |= {
        "id": "their-own",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Lähete</div>'},
        "meta": {"profile": ["https://example.org/p"], "lastUpdated": "2026-02-27T08:00:00Z", "versionId": "4"},
        "language": "fi",
    }
    sent["subject"]["display"] = "Nimi"
    sent["code"]["coding"].insert(0, {"system": "http://snomed.info/sct", "code": "410155007", "display": "x"})
    sent["code"]["text"] = "Työtoiminta"
    referral, _ = read(sent, OWN, TOWN)
    assert referral == ReferralIn.model_validate(body())
