"""What a sender says in resources: read, or refused where it stands."""

import json
from typing import Any

import pytest

from polku_referral.fhir import codes
from polku_referral.fhir.reading import read
from polku_referral.wire import ReferralIn
from polku_web.problems import Problem

from .fhir_material import OWN, service_request, transaction
from .material import TOWN, body


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
        ("/reasonCode/0", {"text": "Haluaa töihin"}, "/reasonCode/0", "extra-forbidden"),
        ("/category/0", {"text": "Kiireellinen"}, "/category/0", "extra-forbidden"),
        ("/code", {"text": "Työtoiminta"}, "/code", "missing"),
        ("/contained/0/communication", [{"language": {"text": "ruotsi"}}], "/contained/0/communication/0/language", "extra-forbidden"),
        ("/contained/0/name/0/use", "maiden", "/contained/0/name/0/use", "unknown-code"),
        ("/contained/0/identifier/0/use", "old", "/contained/0/identifier/0/use", "unknown-code"),
        ("/contained/0/telecom/0/use", "old", "/contained/0/telecom/0/use", "unknown-code"),
        ("/contained/1/contact/0/telecom/0/use", "old", "/contained/1/contact/0/telecom/0/use", "unknown-code"),
        ("/contained/0/active", False, "/contained/0/active", "not-valid"),
        ("/contained/1/active", False, "/contained/1/active", "not-valid"),
        ("/contained/0/_birthDate", {"id": "x"}, "/contained/0/_birthDate", "extra-forbidden"),
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
        ("/category/0/coding/1", {"system": OWN.codes("programme"), "code": "lapland"}, "/category/0/coding/1", "extra-forbidden"),
        ("/contained/0/extension/1", {"url": codes.HOME_MUNICIPALITY, "valueCoding": {"system": codes.MUNICIPALITIES, "code": "091"}}, "/contained/0/extension/1", "extra-forbidden"),
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
        ("/entry/4/resource/priority", "urgent", "/entry/4/resource/priority", "unknown-code"),
        ("/entry/4/resource/code/coding/0/code", "abort", "/entry/4/resource/code/coding/0/code", "unknown-code"),
        ("/entry/4/resource/requester/reference", "urn:uuid:0197bbbb-0000-7000-8000-000000000000", "/entry/4/resource/requester/reference", "unknown-reference"),
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


def test_another_person_or_unit_than_the_order_s() -> None:
    sent = transaction()
    for kind, number, element in (("Patient", 0, "for"), ("Organization", 1, "requester")):
        other = {**sent["entry"][number], "fullUrl": f"urn:uuid:other-{kind}"}
        more = {**sent, "entry": [*sent["entry"], other]}
        place = f"/entry/4/resource/{element}/reference"
        assert (place, "unknown-reference") in wrong(changed(more, place, other["fullUrl"]))


def test_what_is_said_of_the_envelope_does_not_matter() -> None:
    sent = {**transaction(), "timestamp": "2026-02-27T08:00:00Z", "identifier": {"system": "urn:x", "value": "1"}}
    sent["entry"][4]["resource"] |= {"priority": "routine", "code": {"text": "Toteuta"}}
    assert read(sent, OWN, TOWN)[0] == ReferralIn.model_validate(body())


def test_labels_and_what_is_said_of_the_copy_do_not_matter() -> None:
    sent = service_request()
    sent |= {
        "id": "their-own",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Lähete</div>'},
        "meta": {"profile": ["https://example.org/p"], "lastUpdated": "2026-02-27T08:00:00Z", "versionId": "4"},
        "language": "fi",
    }
    sent["subject"]["display"] = "Nimi"
    sent["contained"][0]["active"] = True
    sent["contained"][0]["telecom"][0]["use"] = "mobile"
    sent["code"]["coding"].insert(0, {"system": "http://snomed.info/sct", "code": "410155007", "display": "x"})
    sent["code"]["text"] = "Työtoiminta"
    referral, _ = read(sent, OWN, TOWN)
    assert referral == ReferralIn.model_validate(body())
