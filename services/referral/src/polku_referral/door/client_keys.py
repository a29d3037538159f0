"""Public keys of machine clients: which may be registered, their fingerprints, and a fresh pair for who has none."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

LEAST_RSA, MOST_RSA = 2048, 8192
"""Bits; RFC 7518 §3.5 asks for the least, and a key that is huge would be a way to keep the door busy."""
PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
"""Members of a JWK that nobody but its owner may know (RFC 7518 §6)."""
KID = re.compile(r"[!-~]{1,128}", re.ASCII)
MEMBERS = frozenset({"kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"})
FITTING = "a JWK or PEM of P-256, Ed25519, or RSA of at least 2048 bits"


class Unfit(ValueError):
    """The text holds no key that a client could sign with here. code: what is wrong, as in `texts.WRONG`."""

    code = "unfit-key"


class Private(Unfit):
    """The text holds a private key or a shared secret. It must not go any further, not even back to who gave it."""

    code = "private-key"


def new_pair() -> tuple[dict[str, Any], dict[str, Any]]:
    """The private key as a JWK (RFC 7517), and the public one. The key id is the thumbprint (RFC 7638)."""
    pair = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig"}, auto_kid=True)
    return dict(pair.as_dict(private=True)), dict(pair.as_dict(private=False))


def public_key(text: str) -> dict[str, Any]:
    """A public JWK or PEM as a JWK with a key id: its own if that is short and plain, else the thumbprint.

    Raises Unfit; Private for a private key too, though its public half could be told from it: whoever has shown it to
    others should make a new one. Of a JWK nothing is kept but what describes the key.
    """
    key = _read(text)
    if isinstance(key, RSAKey):
        fits = LEAST_RSA <= key.public_key.key_size <= MOST_RSA
    else:
        fits = _curve(key) in ("P-256", "Ed25519")
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
    """Raises Unfit; Private also for what no library could read, such as a private key with a password."""
    if text.lstrip().startswith("{"):
        try:
            told = json.loads(text)
            key = None if any(name in told for name in PRIVATE) else JWKRegistry.import_key(told)
        except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise Unfit from None
        if key is None:
            raise Private
        return key
    if "PRIVATE KEY" in text:
        raise Private
    for kind in (ECKey, OKPKey, RSAKey):
        try:
            found: Key = kind.import_key(text)
        except (JoseError, ValueError, TypeError, UnsupportedAlgorithm):  # the last: of a curve
            continue
        return found
    raise Unfit


def _curve(key: Key) -> str | None:
    try:
        return key.curve_name if isinstance(key, ECKey | OKPKey) else None
    except KeyError:  # one that the library can read, but has no name for
        return None
