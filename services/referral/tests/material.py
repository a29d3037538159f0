"""What the tests of this service are made of: one programme, two senders, artificial people."""

from datetime import date
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from polku_referral.door.tokens import ASSERTION_TYPE

ORIGIN = "http://127.0.0.1:8700"
TODAY = date(2026, 3, 2)
API = "/referral/api/v1"
PAGES = "/referral/referrals"

COORDINATOR = "0197aaaa-0000-7000-8000-000000000001"
MANAGER = "0197aaaa-0000-7000-8000-000000000003"
COACH = "0197aaaa-0000-7000-8000-000000000004"
ELSEWHERE = "0197aaaa-0000-7000-8000-000000000005"
REFERRER = "0197aaaa-0000-7000-8000-000000000006"
TOWN, COUNTY = "0197aaaa-0000-7000-8000-0000000000a1", "0197aaaa-0000-7000-8000-0000000000a2"
NOBODY = "0197aaaa-0000-7000-8000-00000000ffff"

STAFF: dict[str, dict[str, Any]] = {
    COORDINATOR: {"roles": ("coordinator",), "programmes": ("kainuu",), "name": "Oona Ohjaaja"},
    MANAGER: {"roles": ("manager",), "programmes": ("kainuu",), "name": "Veera Vetäjä"},
    COACH: {"roles": ("coach",), "programmes": ("kainuu",), "name": "Valtteri Valmentaja"},
    ELSEWHERE: {"roles": ("coordinator", "manager"), "programmes": ("lapland",), "name": "Lauri Lappalainen"},
    REFERRER: {"roles": ("referrer",), "organisation_id": TOWN, "name": "Liisa Lähettäjä"},
}

OPEN = ["accept", "decline", "ask", "waitlist", "forward"]
"""What the project may do with a referral that has just come."""

AINO, ONNI = "010594Y9032", "010516B903X"
"""Identity codes of two artificial people."""

CANARIES = (
    AINO,
    "Aino-Kanarialintu",
    "Testinen-Kanaria",
    "+358 40 5550199",
    "aino.kanaria@example.fi",
    "tahtoo-töihin",
)
"""What must never be seen outside a body that is meant to hold it."""


def body(external_id: Any = "TE-2026-000123", **changes: Any) -> dict[str, Any]:
    """A whole referral; `person__phone=None` changes inside, and the value `...` takes the field out."""
    told: dict[str, Any] = {
        "programme": "kainuu",
        "route": "employment-service",
        "service": "work-activity",
        "referred_on": "2026-02-27",
        "person": {
            "identity_code": AINO,
            "given_names": "Aino-Kanarialintu",
            "family_name": "Testinen-Kanaria",
            "language": "fi",
            "municipality": "205",
            "phone": "+358 40 5550199",
            "email": "aino.kanaria@example.fi",
        },
        "ground": {"basis": "consent", "given_on": "2026-02-26", "text": "Suostumus annettu."},
        "labour_market": {"status": "unemployed", "since": "2024-03-01"},
        "reason": {"goals": ["work", "education"], "text": "tahtoo-töihin"},
        "urgency": "normal",
        "sender": {"unit": "Työllisyyspalvelut", "name": "Kaisa Kirjaaja", "phone": "08 5550100"},
    }
    for path, value in {"external_id": external_id, **changes}.items():
        *way, last = path.split("__")
        place = told
        for name in way:
            place = place[name]
        if value is ...:
            place.pop(last, None)
        else:
            place[last] = value
    return told


def assertion(client_id: str, key: ECKey, now: int, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """A client assertion (RFC 7523); a claim given as `...` is left out."""
    claims = {"iss": client_id, "sub": client_id, "aud": ORIGIN, "iat": now, "exp": now + 60, "jti": f"jti-{now}-0001"}
    said = {name: value for name, value in {**claims, **changes}.items() if value is not ...}
    return jwt.encode({"alg": "ES256", "kid": key.kid or "none", **(header or {})}, said, key)


def token_form(signed: str, **changes: str) -> dict[str, str]:
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
    return {**form, **changes}


def leaks(text: str) -> list[str]:
    """The canaries that a text holds."""
    return [canary for canary in CANARIES if canary.casefold() in text.casefold()]
