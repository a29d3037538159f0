"""Deliveries, signed with the official library and with an Ed25519 key: theirs pass, everybody else's do not."""

import base64
import json
import secrets
import time
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from polku_client import WebhookRefused, verify_webhook

SECRET = "whsec_" + base64.b64encode(b"a secret of enough bytes").decode()
PRIVATE = Ed25519PrivateKey.generate()
PUBLIC = "whpk_" + base64.b64encode(PRIVATE.public_key().public_bytes_raw()).decode()
BODY = json.dumps(
    {"type": "referral.accepted", "timestamp": "2026-03-02T08:00:00Z", "data": {"external_id": "TE-1", "version": 2}}
).encode()


def delivery(body: bytes = BODY, age_s: float = 0) -> dict[str, str]:
    """The headers of a delivery that carries both kinds of signatures."""
    at = int(time.time() - age_s)
    shared = Webhook(SECRET).sign("event-1", datetime.fromtimestamp(at, UTC), body.decode("latin-1"))
    public = base64.b64encode(PRIVATE.sign(f"event-1.{at}.".encode() + body)).decode()
    return {
        "Webhook-Id": "event-1",
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(secrets.token_bytes(32)).decode()} {shared} v1a,{public}",
    }


@pytest.mark.parametrize("secret", [SECRET, PUBLIC, [PUBLIC, SECRET]], ids=["v1", "v1a", "either"])
def test_a_delivery_is_taken_for_what_it_says(secret: str | list[str]) -> None:
    event = verify_webhook(BODY, delivery(), secret)
    assert (event.id, event.type, event.external_id, event.version) == ("event-1", "referral.accepted", "TE-1", 2)


@pytest.mark.parametrize("secret", [SECRET, PUBLIC], ids=["v1", "v1a"])
@pytest.mark.parametrize("age_s", [400, -400])
def test_another_time_is_refused(secret: str, age_s: float) -> None:
    verify_webhook(BODY, delivery(age_s=200), secret)
    with pytest.raises(WebhookRefused):
        verify_webhook(BODY, delivery(age_s=age_s), secret)


def test_during_a_change_either_secret_is_enough() -> None:
    fresh = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    assert verify_webhook(BODY, delivery(), [fresh, SECRET]).id == "event-1"
    with pytest.raises(WebhookRefused):
        verify_webhook(BODY, delivery(), [fresh])


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_changing_any_byte_of_the_body_fails(place: int, change: int) -> None:
    changed = bytearray(BODY)
    changed[place] ^= change
    for secret in (SECRET, PUBLIC):
        with pytest.raises(WebhookRefused):
            verify_webhook(bytes(changed), delivery(), secret)


@pytest.mark.parametrize("name", ["Webhook-Id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, "", "x", "v1a,", "v1,=", "v1a,å", "v2,abc v1", "1e9999"])
@pytest.mark.parametrize("secret", [SECRET, PUBLIC], ids=["v1", "v1a"])
def test_broken_headers_are_refused(name: str, value: str | None, secret: str) -> None:
    headers = delivery()
    del headers[name]
    if value is not None:
        headers[name] = value
    with pytest.raises(WebhookRefused):
        verify_webhook(BODY, headers, secret)


def test_what_is_signed_and_no_event_is_refused() -> None:
    for body in (b"[]", b"{}", b"\xff"):
        with pytest.raises(WebhookRefused):
            verify_webhook(body, delivery(body), PUBLIC)
