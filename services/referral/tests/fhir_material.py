"""The same referral as `material.body`, said in resources as a sender's system would write them."""

from typing import Any

from fhirclient.models.bundle import Bundle
from fhirclient.models.capabilitystatement import CapabilityStatement
from fhirclient.models.operationoutcome import OperationOutcome
from fhirclient.models.servicerequest import ServiceRequest
from fhirclient.models.task import Task

from polku_referral.fhir import codes
from polku_referral.fhir.codes import Own

from .material import ORIGIN, TOWN, body

R4 = {
    "ServiceRequest": ServiceRequest,
    "Task": Task,
    "Bundle": Bundle,
    "OperationOutcome": OperationOutcome,
    "CapabilityStatement": CapabilityStatement,
}
"""Another library's definitions, made from R4 (4.0.1); in strict mode they refuse what R4 does not know or misses."""

FHIR = "/referral/fhir/r4"
OWN = Own(f"{ORIGIN}/fhir")
JSON = "application/fhir+json"
PRIORITY = {urgency: priority for priority, urgency in codes.PRIORITIES.items()}
NAMES = {"Patient": "p", "Organization": "o", "Consent": "c"}


def service_request(external_id: Any = "TE-2026-000123", **changes: Any) -> dict[str, Any]:
    """`material.body` with the same changes, as one ServiceRequest with what it needs contained."""
    return contained(*resources(body(external_id, **changes)))


def transaction(external_id: Any = "TE-2026-000123", **changes: Any) -> dict[str, Any]:
    """The same as a transaction, with a Task."""
    return bundled(*resources(body(external_id, **changes)))


def concept(name: str, code: Any) -> dict[str, Any]:
    return {"coding": [{"system": OWN.codes(name), "code": code}]}


def telecom(told: dict[str, Any]) -> dict[str, Any]:
    rows = [{"system": name, "value": told[name]} for name in ("phone", "email") if told.get(name) is not None]
    return {"telecom": rows} if rows else {}


def resources(told: dict[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The ServiceRequest and, by type, what it refers to; all that the JSON body says, no more.

    What is missing there is missing here, and what has no right form there has none here.
    """
    told = {"labour_market": {}, "reason": {}, **told}
    order = without_missing(
        {
            "resourceType": "ServiceRequest",
            "identifier": [{"system": OWN.referrals(TOWN), "value": told["external_id"]}]
            if "external_id" in told
            else ...,
            "extension": [{"url": OWN.extension("labour-market"), "extension": _market(told["labour_market"])}],
            "status": "active",
            "intent": "order",
            "category": [concept(name, told[name]) for name in ("programme", "route") if name in told],
            "priority": PRIORITY.get(str(told.get("urgency")), told.get("urgency", ...)),
            "code": concept("service", told["service"]),
            "subject": {"reference": "Patient"} if "person" in told else ...,
            "authoredOn": told.get("referred_on", ...),
            "requester": {"reference": "Organization"} if "sender" in told else ...,
            "reasonCode": [concept("goal", goal) for goal in told["reason"].get("goals", [])] or ...,
            "supportingInfo": [{"reference": "Consent"}] if "ground" in told else ...,
            "note": [{"text": told["reason"]["text"]}] if told["reason"].get("text") else ...,
        }
    )
    made = {"person": ("Patient", _patient), "sender": ("Organization", _unit), "ground": ("Consent", _consent)}
    return order, {kind: make(told[name]) for name, (kind, make) in made.items() if name in told}


def without_missing(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if value is not ...}


def _market(told: dict[str, Any]) -> list[dict[str, Any]]:
    named = {"status": "valueCode", "since": "valueDate"}
    return [{"url": name, kind: told[name]} for name, kind in named.items() if told.get(name) is not None]


def _patient(told: dict[str, Any]) -> dict[str, Any]:
    patient: dict[str, Any] = {"resourceType": "Patient", **telecom(told)}
    name = {"use": "official", "family": told.get("family_name", ...), "given": [told.get("given_names", ...)]}
    patient["name"] = [without_missing(name | ({"given": ...} if name["given"] == [...] else {}))]
    if told.get("protected_address") is not None:
        label = {True: "R", False: "N"}.get(told["protected_address"], "X")
        patient["meta"] = {"security": [{"system": codes.CONFIDENTIALITY, "code": label}]}
    if told.get("identity_code") is not None:
        patient["identifier"] = [{"system": codes.IDENTITY_CODE, "value": told["identity_code"]}]
    if told.get("date_of_birth") is not None:
        patient["birthDate"] = told["date_of_birth"]
    if told.get("language") is not None:
        system = OWN.codes("language") if told["language"] == "other" else codes.LANGUAGES
        patient["communication"] = [{"language": {"coding": [{"system": system, "code": told["language"]}]}}]
    if told.get("municipality") is not None:
        value = {"system": codes.MUNICIPALITIES, "code": told["municipality"]}
        patient["extension"] = [{"url": codes.HOME_MUNICIPALITY, "valueCoding": value}]
    return patient


def _unit(told: dict[str, Any]) -> dict[str, Any]:
    contact = {"name": {"text": told["name"]}, **telecom(told)}
    return {"resourceType": "Organization", "name": told["unit"], "contact": [contact]}


def _consent(told: dict[str, Any]) -> dict[str, Any]:
    scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
    category = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IDSCL"}
    text = {"url": OWN.extension("ground-text"), "valueString": told.get("text")}
    return without_missing(
        {
            "resourceType": "Consent",
            "extension": [text] if told.get("text") else ...,
            "status": "active",
            "scope": {"coding": [scope]},
            "category": [{"coding": [category]}],
            "patient": {"reference": "Patient"},
            "dateTime": told.get("given_on", ...),
            "policyRule": concept("basis", told["basis"]) if "basis" in told else ...,
        }
    )


def referring(resource: Any, to: dict[str, str]) -> Any:
    """A copy in which every reference by type says what `to` has for it."""
    if isinstance(resource, list):
        return [referring(one, to) for one in resource]
    if isinstance(resource, dict):
        return {
            name: to.get(value, value) if name == "reference" and isinstance(value, str) else referring(value, to)
            for name, value in resource.items()
        }
    return resource


def contained(order: dict[str, Any], within: dict[str, dict[str, Any]]) -> dict[str, Any]:
    to = {kind: f"#{name}" for kind, name in NAMES.items()}
    inner = [{**referring(one, to), "id": NAMES[kind]} for kind, one in within.items()]
    return {"resourceType": "ServiceRequest", "contained": inner, **referring(order, to)}


def bundled(order: dict[str, Any], within: dict[str, dict[str, Any]]) -> dict[str, Any]:
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "code": {"coding": [{"system": codes.TASK_CODE, "code": "fulfill"}]},
        "focus": {"reference": "ServiceRequest"},
        "for": {"reference": "Patient"},
        "requester": {"reference": "Organization"},
    }
    sent = {**within, "ServiceRequest": order, "Task": task}
    to = {kind: f"urn:uuid:0197bbbb-0000-7000-8000-00000000000{place}" for place, kind in enumerate(sent)}
    entry = [
        {"fullUrl": to[kind], "resource": referring(one, to), "request": {"method": "POST", "url": kind}}
        for kind, one in sent.items()
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entry}
