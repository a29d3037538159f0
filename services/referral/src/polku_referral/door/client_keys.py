"""Public keys of machine clients: which may be registered, their fingerprints, and a fresh pair for who has none."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

LEAST_RSA = 2048
"""Bits; RFC 7518 §3.5 asks for as many."""
KID = re.compile(r"[!-~]{1,128}", re.ASCII)
MEMBERS = frozenset({"kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"})
FITTING = "a JWK or PEM of P-256, Ed25519, or RSA of at least 2048 bits"


class Unfit(ValueError):
    """The text holds no key that a client could sign with here."""


def new_pair() -> tuple[dict[str, Any], dict[str, Any]]:
    """The private key as a JWK (RFC 7517), and the public one. The key id is the thumbprint (RFC 7638)."""
    pair = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}, auto_kid=True)
    return dict(pair.as_dict(private=True)), dict(pair.as_dict(private=False))


def public_key(text: str) -> dict[str, Any]:
    """The public half of a JWK or PEM, as a JWK with a key id: its own if that is short and plain, else the thumbprint.

    Raises Unfit. Of a JWK nothing is kept but what describes the key.
    A shared secret is refused too: it would be a key that both sides can sign with.
    """
    key = _read(text)
    if isinstance(key, RSAKey):
        fits = key.public_key.key_size >= LEAST_RSA
    else:
        fits = isinstance(key, ECKey | OKPKey) and key.curve_name in ("P-256", "Ed25519")
    if not fits:
        raise Unfit
    public = {name: value for name, value in key.as_dict(private=False).items() if name in MEMBERS}
    if public.get("use", "sig") != "sig":
        raise Unfit
    kid = public.get("kid")
    return {**public, "kid": kid if isinstance(kid, str) and KID.fullmatch(kid) else key.thumbprint()}


class Fingerprints(NamedTuple):
    """By what two people on the phone tell that they mean the same key. thumbprint: RFC 7638, base64url.

    spki: SHA-256 of the SubjectPublicKeyInfo in hex, as `openssl pkey -pubout -outform der | sha256sum` prints it.
    """

    thumbprint: str
    spki: str


def fingerprints(public: Mapping[str, Any]) -> Fingerprints:
    """Of a key that `public_key` let pass."""
    key = JWKRegistry.import_key(dict(public))
    assert isinstance(key, ECKey | OKPKey | RSAKey)
    spki = key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Fingerprints(key.thumbprint(), hashlib.sha256(spki).hexdigest())


def _read(text: str) -> Key:
    if text.lstrip().startswith("{"):
        try:
            return JWKRegistry.import_key(json.loads(text))
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise Unfit from None
    for kind in (ECKey, OKPKey, RSAKey):
        try:
            key: Key = kind.import_key(text)
        except (JoseError, ValueError, TypeError):
            continue
        return key
    raise Unfit
