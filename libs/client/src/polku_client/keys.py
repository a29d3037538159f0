"""The sender's private key, and the proof of it (`private_key_jwt`, RFC 7523 as RFC 10070 tightens it)."""

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

from polku_client.problems import Misconfigured

KeySource = str | Path | Mapping[str, Any]
"""A path, the text of a PEM or JWK, or a JWK as a mapping."""

PROOF_S = 60
TYPE = "client-authentication+jwt"
ALGORITHMS = {"P-256": "ES256", "RSA": "PS256", "Ed25519": "Ed25519"}


@dataclass(frozen=True)
class SigningKey:
    """A private key and the algorithm that goes with its kind."""

    key: Key
    algorithm: str

    def proof(self, client_id: str, audience: str) -> str:
        """A statement that is good for a minute and for one use."""
        now = int(time.time())
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "iat": now,
            "exp": now + PROOF_S,
            "jti": uuid.uuid4().hex,
        }
        header = {"alg": self.algorithm, "typ": TYPE}
        return jwt.encode(header, claims, self.key, algorithms=[self.algorithm])


def read_key(source: KeySource) -> SigningKey:
    """The key that `source` holds. Raises Misconfigured, never with anything of the key in its words."""
    key = _imported(source if isinstance(source, Mapping) else _text(source))
    kind = "RSA" if isinstance(key, RSAKey) else getattr(key, "curve_name", "")
    if not isinstance(key, ECKey | OKPKey | RSAKey) or not key.is_private or kind not in ALGORITHMS:
        raise Misconfigured("the key must be a private key of P-256, Ed25519 or RSA")
    return SigningKey(key, ALGORITHMS[kind])


def _text(source: str | Path) -> str:
    if isinstance(source, str) and source.lstrip().startswith(("{", "-----BEGIN")):
        return source
    path = Path(source)
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):
        raise Misconfigured(f"the key file {path.name} cannot be read") from None


def _imported(source: str | Mapping[str, Any]) -> Key:
    try:
        if isinstance(source, Mapping):
            return JWKRegistry.import_key(dict(source))
        if source.lstrip().startswith("{"):
            return JWKRegistry.import_key(json.loads(source))
    except (JoseError, ValueError, TypeError, KeyError):
        raise Misconfigured("the key is not a JWK") from None
    for kind in (ECKey, OKPKey, RSAKey):
        try:
            key: Key = kind.import_key(source)
        except (JoseError, ValueError, TypeError):
            continue
        return key
    raise Misconfigured("the key is neither a JWK nor a PEM without a password")
