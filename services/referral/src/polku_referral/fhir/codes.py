"""Addresses and codes: whose they are, and how a referral's state is said to each kind of partner.

Two public profiles of a referral's Task differ in their first words, so a partner chooses one: `sdoh` (Gravity SDOH
Clinical Care: `requested` first, no `received`) or `bser` (HL7 BSeR: `received` first, `businessStatus` numbered).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

FHIR_VERSION = "4.0.1"
IDENTITY_CODE = "urn:oid:1.2.246.21"
"""The Finnish personal identity code, as in HL7 Finland's base Patient."""
MUNICIPALITIES = "urn:oid:1.2.246.537.6.21.2003"
HOME_MUNICIPALITY = "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/municipality-code"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
PROTECTED = {"R": True, "V": True, "N": False, "M": False, "L": False, "U": False}
"""Restricted and very restricted stand for a non-disclosure order (turvakielto)."""
LANGUAGES = "urn:ietf:bcp:47"
COMPLETENESS = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
TASK_CODE = "http://hl7.org/fhir/CodeSystem/task-code"
SECURITY_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"
BSER = "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS"

Profile = Literal["sdoh", "bser"]
PRIORITIES = {"routine": "normal", "urgent": "urgent"}
"""ServiceRequest.priority → urgency."""

ORDER: Mapping[str, str] = {
    "received": "active",
    "question": "active",
    "waitlisted": "active",
    "accepted": "active",
    "withdrawal-requested": "revoked",
    # What becomes of the order after a no is the requester's to decide.
    "declined": "active",
    "forwarded": "active",
    "withdrawn": "revoked",
    "expired": "active",
    "concluded": "completed",
}
"""ServiceRequest.status: the requester's side."""


class Fulfilment(NamedTuple):
    """Task.status, and the profile's own code of businessStatus where it has one."""

    status: str
    business: str | None = None


_BOTH = {"waitlisted": Fulfilment("on-hold")}
TASK: Mapping[Profile, Mapping[str, Fulfilment]] = {
    "sdoh": _BOTH
    | {
        "received": Fulfilment("requested"),
        "question": Fulfilment("requested"),
        "accepted": Fulfilment("accepted"),
        "withdrawal-requested": Fulfilment("accepted"),
        "declined": Fulfilment("rejected"),
        "forwarded": Fulfilment("rejected"),
        "withdrawn": Fulfilment("cancelled"),
        "expired": Fulfilment("cancelled"),
        "concluded": Fulfilment("completed"),
    },
    "bser": _BOTH
    | {
        "received": Fulfilment("received", "2.0"),
        "question": Fulfilment("received", "2.0"),
        "accepted": Fulfilment("accepted", "3.0"),
        "withdrawal-requested": Fulfilment("in-progress", "5.2"),
        "declined": Fulfilment("rejected", "4.0"),
        "forwarded": Fulfilment("rejected", "4.0"),
        "withdrawn": Fulfilment("cancelled", "6.0"),
        "expired": Fulfilment("cancelled", "6.0"),
        "concluded": Fulfilment("completed", "7.0"),
    },
}
"""The receiver's side, per partner's profile."""


@dataclass(frozen=True)
class Own:
    """Addresses of what FHIR has no place or no codes for. base: of this installation, `…/fhir`."""

    base: str

    def codes(self, name: str) -> str:
        """The system of one of our code lists (`/referral/api/v1/codes`): `route`, `labour-market-status` …"""
        return f"{self.base}/CodeSystem/{name}"

    def extension(self, name: str) -> str:
        return f"{self.base}/StructureDefinition/{name}"

    def referrals(self, organisation_id: str) -> str:
        """The system of an organisation's own ids of referrals."""
        return f"{self.base}/sid/referral/{organisation_id}"

    def senders_codes(self, organisation_id: str) -> str:
        """The system of codes that an organisation has sent and its map of codes has explained, or not yet."""
        return f"{self.base}/sid/codes/{organisation_id}"
