"""Referrals of artificial people, as an authority's system would push them."""

from datetime import date
from itertools import count
from typing import Any

CODES = ("010594Y9032", "010594Y9021", "020594X903P", "020594X902N", "030594W903B", "010516B903X", "010516B902W")
"""Artificial identity codes."""
_numbers = count(1)


def referral(external_id: str = "", number: int = 0, **changes: Any) -> dict[str, Any]:
    """The `number`th artificial person; another external_id each time unless one is given."""
    told: dict[str, Any] = {
        "external_id": external_id or f"TE-2026-{next(_numbers):06}",
        "programme": "kainuu",
        "route": "employment-service",
        "service": "work-activity",
        "referred_on": date(2026, 3, 2),
        "person": {
            "identity_code": CODES[number % len(CODES)],
            "given_names": "Äinö",
            "family_name": "Esimerkki",
            "municipality": "205",
            "phone": "050 000 1234",
        },
        "ground": {"basis": "consent", "given_on": "2026-03-01"},
        "labour_market": {"status": "unemployed", "since": "2024-03-01"},
        "reason": {"goals": ["work"], "text": "Keksitty esimerkki."},
        "sender": {"unit": "Esimerkkiyksikkö", "name": "Essi Esimerkki"},
    }
    return {**told, **changes}
