"""What this door can do, as a CapabilityStatement: read by machines before they come in, so it needs no token."""

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
_SEARCH = {
    "_id": "token",
    "_lastUpdated": "date",
    "identifier": "token",
    "requester": "reference",
    "status": "token",
}


def capability(origin: str, base: str) -> dict[str, Any]:
    """origin: of this installation; base: of the FHIR addresses."""
    order = _resource("ServiceRequest", ["create", "read", "search-type"], conditionalCreate=True, operation=[VALIDATE])
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
        "searchParam": [{"name": name, "type": sort} for name, sort in _SEARCH.items()],
        **more,
    }
