"""Secrets, keys and signatures of webhooks, by Standard Webhooks 1.0.0 (standardwebhooks.com)."""

import secrets
from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from standardwebhooks import Webhook

Scheme = Literal["v1", "v1a"]
"""v1: HMAC-SHA256 with a shared secret. v1a: Ed25519, the receiver holds the public half alone."""
KEY_BYTES = 32


def new_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def for_receiver(scheme: Scheme, key: bytes) -> str:
    """What the receiver verifies with: `whsec_…` is a secret, `whpk_…` a public key."""
    if scheme == "v1":
        return "whsec_" + b64encode(key).decode()
    public = Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()
    return "whpk_" + b64encode(public).decode()


def headers(scheme: Scheme, keys: Iterable[bytes], message_id: str, at: datetime, body: str) -> dict[str, str]:
    """The three headers of a message. With several keys each signs, so that one can be replaced without a gap."""
    signed = [_sign(scheme, key, message_id, at, body) for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signed),
    }


def _sign(scheme: Scheme, key: bytes, message_id: str, at: datetime, body: str) -> str:
    if scheme == "v1":
        return Webhook(key).sign(message_id, at, body)
    signature = Ed25519PrivateKey.from_private_bytes(key).sign(f"{message_id}.{int(at.timestamp())}.{body}".encode())
    return "v1a," + b64encode(signature).decode()
