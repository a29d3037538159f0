"""Webhooks (Standard Webhooks 1.0.0): is this delivery really Polku's, and what does it say?"""

import base64
import json
import time
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from polku_client.feed import Event
from polku_client.problems import PolkuError

TOLERANCE_S = 300
"""The library's own: an older delivery may be one that somebody else has kept and sends again."""
SECRET, PUBLIC = "whsec_", "whpk_"


class WebhookRefused(PolkuError):
    """Nothing shows that this comes from Polku: answer 401 and do nothing."""


def verify_webhook(body: bytes, headers: Mapping[str, str], secret: str | Sequence[str]) -> Event:
    """The event in a delivery, if one of the secrets signed it in the last five minutes.

    body: the bytes as they came, before any JSON reader. secret: `whsec_…` (v1, shared) or `whpk_…` (v1a, public);
    several while one is changed for another. Raises WebhookRefused.

    The same `id` may come again: what was handled once needs only a 2xx.
    """
    sent = {name.lower(): value for name, value in headers.items()}
    secrets = [secret] if isinstance(secret, str) else secret
    if not any(_signed(body, sent, one) for one in secrets):
        raise WebhookRefused("no signature of this delivery fits")
    try:
        return Event.read({**json.loads(body), "id": sent["webhook-id"]})
    except (ValueError, TypeError, KeyError):
        raise WebhookRefused("this is signed, but it is no event") from None


def _signed(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
    try:
        if secret.startswith(PUBLIC):
            return _signed_by_key(body, headers, base64.b64decode(secret.removeprefix(PUBLIC)))
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError, TypeError):  # the last two: what is no base64, number or pair
        return False
    return True


def _signed_by_key(body: bytes, headers: Mapping[str, str], key: bytes) -> bool:
    """v1a: Ed25519 over id, time and body. The library knows only the shared secrets of v1."""
    at = headers.get("webhook-timestamp", "")
    if not at.isdigit() or abs(time.time() - int(at)) > TOLERANCE_S:
        return False
    signed = f"{headers.get('webhook-id', '')}.{at}.".encode() + body
    signer = Ed25519PublicKey.from_public_bytes(key)
    for one in headers.get("webhook-signature", "").split(" "):
        version, _, signature = one.partition(",")
        if version != "v1a":
            continue
        try:
            signer.verify(base64.b64decode(signature), signed)
        except InvalidSignature:
            continue
        return True
    return False
