"""The receipt in other hands: Authlib's own JOSE and openssl verify it offline; any changed byte fails."""

import base64
import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from authlib.jose import JsonWebKey, JsonWebToken
from authlib.jose.errors import JoseError
from hypothesis import given, settings
from hypothesis import strategies as st

from polku_client import InvalidReceipt, verify_receipt

from ..client.material import referral
from ..serving import Serving


@dataclass(frozen=True)
class Kept:
    """What a sender keeps."""

    receipt: str
    sent: bytes
    keys: dict[str, Any]


@pytest.fixture(scope="module")
def kept(polku: Serving) -> Kept:
    with polku.client() as sender:
        pushed, keys = sender.push(referral()), sender.receipt_keys()
    assert pushed.receipt
    assert pushed.sent
    return Kept(pushed.receipt, pushed.sent, keys)


def test_authlib_verifies_it_offline(kept: Kept) -> None:
    claims = JsonWebToken(["ES256"]).decode(kept.receipt, JsonWebKey.import_key_set(kept.keys))
    assert claims["body_sha256"] == hashlib.sha256(kept.sent).hexdigest()


def test_openssl_verifies_it_offline(kept: Kept, tmp_path: Path) -> None:
    header, claims, signature = kept.receipt.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    r, s = (int.from_bytes(half, "big") for half in (raw[:32], raw[32:]))
    kid = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    [jwk] = [key for key in kept.keys["keys"] if key["kid"] == kid]
    (tmp_path / "key.pem").write_bytes(JsonWebKey.import_key(jwk).as_pem(is_private=False))
    (tmp_path / "signature").write_bytes(_der(r, s))
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature"]
    for signed, passes in ((f"{header}.{claims}", True), (f"{header}.{claims}A", False)):
        done = subprocess.run(command, input=signed.encode(), cwd=tmp_path, capture_output=True, check=False)
        assert (done.returncode == 0) is passes


def _der(*numbers: int) -> bytes:
    """A SEQUENCE of INTEGERs (X.690), short enough for one length byte."""
    parts = b""
    for number in numbers:
        raw = number.to_bytes(number.bit_length() // 8 + 1, "big")
        parts += b"\x02" + bytes([len(raw)]) + raw
    return b"\x30" + bytes([len(parts)]) + parts


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changing_any_byte_of_the_body_fails(kept: Kept, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(kept.sent) - 1))
    change = data.draw(st.integers(1, 255))
    changed = bytearray(kept.sent)
    changed[place] ^= change
    with pytest.raises(InvalidReceipt):
        verify_receipt(kept.receipt, bytes(changed), kept.keys)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changing_any_byte_of_the_receipt_fails(kept: Kept, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(kept.receipt) - 1))
    letter = data.draw(st.characters(max_codepoint=255).filter(lambda one: one != kept.receipt[place]))
    changed = kept.receipt[:place] + letter + kept.receipt[place + 1 :]
    with pytest.raises(InvalidReceipt):
        verify_receipt(changed, kept.sent, kept.keys)


@pytest.mark.parametrize("letter", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
def test_the_last_letter_has_one_spelling(kept: Kept, letter: str) -> None:
    changed = kept.receipt[:-1] + letter
    if changed == kept.receipt:
        verify_receipt(changed, kept.sent, kept.keys)
        return
    with pytest.raises(InvalidReceipt):
        verify_receipt(changed, kept.sent, kept.keys)
    # Another library may take another spelling of the same signature, never another signature.
    other = base64.urlsafe_b64decode(changed.rpartition(".")[2] + "==")
    if other != base64.urlsafe_b64decode(kept.receipt.rpartition(".")[2] + "=="):
        with pytest.raises(JoseError):
            JsonWebToken(["ES256"]).decode(changed, JsonWebKey.import_key_set(kept.keys))


def test_what_signs_itself_is_no_receipt(kept: Kept) -> None:
    claims = kept.receipt.split(".")[1]
    for header in ({"alg": "none", "typ": "polku-receipt+jwt"}, {"alg": "HS256", "typ": "polku-receipt+jwt"}):
        head = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
        with pytest.raises(InvalidReceipt):
            verify_receipt(f"{head}.{claims}.", kept.sent, kept.keys)
