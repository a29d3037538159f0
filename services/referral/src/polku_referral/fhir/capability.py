"""What this door can do, as a CapabilityStatement: read by machines before they come in, so it needs no token."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from polku_referral.door.oauth import METADATA, TOKEN
from polku_referral.fhir import codes

SINCE = "2026-11-24"
"""The day on which what is stated here last changed."""
SECURITY = (
    "OAuth 2.0 client credentials with private_key_jwt, without SMART launch: token endpoint %(origin)s%(token)s, "
    "described at %(origin)s%(metadata)s. Scopes: referrals:write to create and update, referrals:read to read."
)
VALIDATE = {"name": "validate", "definition": "http://hl7.org/fhir/OperationDefinition/Resource-validate"}
_DEFINITIONS = "http://hl7.org/fhir/SearchParameter/"
_DATES = "Prefixes eq, ne, gt, ge, lt, le, sa and eb. A year, a month or a day is one of UTC; a time needs its zone."
_SEARCH: Mapping[str, tuple[str, str, str | None]] = {
    "_id": ("token", "Resource-id", None),
    "_lastUpdated": ("date", "Resource-lastUpdated", _DATES),
    "identifier": ("token", "%s-identifier", None),
    "requester": ("reference", "%s-requester", None),
    "status": ("token", "%s-status", None),
}
"""Name → type, canonical name of the definition, what is to be known besides."""
_SHARED = {"ServiceRequest-identifier": "clinical-identifier"}


def capability(origin: str, base: str) -> dict[str, Any]:
    """origin: of this installation; base: of the FHIR addresses."""
    order = _resource(
        "ServiceRequest",
        ["create", "read", "search-type"],
        versioning="versioned",
        conditionalCreate=True,
        operation=[VALIDATE],
    )
    task = _resource("Task", ["read", "update", "search-type"], versioning="versioned-update", updateCreate=False)
    note = SECURITY % {"origin": origin, "token": TOKEN, "metadata": METADATA}
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": SINCE,
        "kind": "instance",
        "software": {"name": "Polku", "version": version("polku-referral")},
        "implementation": {"description": "Referrals to Polku", "url": base},
        "fhirVersion": codes.FHIR_VERSION,
        "format": ["json", "application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "service": [{"coding": [{"system": codes.SECURITY_SERVICE, "code": "OAuth"}]}],
                    "description": note,
                },
                "resource": [order, task],
                "interaction": [{"code": "transaction"}],
            }
        ],
    }


def _resource(kind: str, interactions: list[str], **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "interaction": [{"code": code} for code in interactions],
        "searchParam": [_parameter(kind, name) for name in _SEARCH],
        **more,
    }


def _parameter(kind: str, name: str) -> dict[str, str]:
    sort, defined, note = _SEARCH[name]
    definition = defined.replace("%s", kind)
    told = {"name": name, "definition": _DEFINITIONS + _SHARED.get(definition, definition), "type": sort}
    return {**told, **({"documentation": note} if note else {})}
