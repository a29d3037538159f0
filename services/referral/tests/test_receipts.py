"""A receipt proves what was received, to anybody and to nobody else."""

import hashlib
import json

import pytest
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from polku_runtime.testing import Clock

from .conftest import Sender
from .material import TOWN, body


async def published(sender: Sender) -> KeySet:
    return KeySet.import_key_set((await sender.http.get("/referral/oauth/jwks")).json())


async def test_the_receipt_proves_what_was_received(sender: Sender, clock: Clock) -> None:
    raw = json.dumps(body(), indent=1).encode()
    shown = (await sender.post(raw)).json()
    proof = jws.deserialize_compact(shown["receipt"], await published(sender), algorithms=["ES256"])
    assert proof.headers()["typ"] == "polku-receipt+jwt"
    assert json.loads(proof.payload) == {
        "iss": "http://127.0.0.1:8700",
        "sub": TOWN,
        "jti": shown["id"],
        "external_id": "TE-2026-000123",
        "body_sha256": hashlib.sha256(raw).hexdigest(),
        "iat": int(clock.now.timestamp()),
    }


async def test_a_changed_receipt_proves_nothing(sender: Sender) -> None:
    receipt, keys = (await sender.sent())["receipt"], await published(sender)
    head, payload, signature = receipt.split(".")
    for forged in (
        f"{head}.{payload[:-2]}{'A' if payload[-2] != 'A' else 'B'}{payload[-1]}.{signature}",
        f"{head}.{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        f"{head}.{payload}.",
    ):
        with pytest.raises((JoseError, ValueError)):
            jws.deserialize_compact(forged, keys, algorithms=["ES256"])


async def test_a_receipt_opens_no_door(sender: Sender) -> None:
    sender.headers["authorization"] = f"Bearer {(await sender.sent())['receipt']}"
    assert (await sender.get("/referrals")).status_code == 401


async def test_the_published_keys_hold_no_private_half(sender: Sender) -> None:
    keys = (await sender.http.get("/referral/oauth/jwks")).json()["keys"]
    assert keys
    assert all(key.keys() <= {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in keys)
