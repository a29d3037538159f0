"""Receipts: proof that Polku has received exactly these bytes, verified without asking it (JWS, RFC 7515)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from polku_client.problems import PolkuError

ALGORITHM = "ES256"
TYPE = "polku-receipt+jwt"


class InvalidReceipt(PolkuError):
    """The receipt proves nothing about this body."""


@dataclass(frozen=True)
class Receipt:
    """What a receipt says: `issuer` received the body from the organisation at this time."""

    issuer: str
    organisation_id: str
    external_id: str
    referral_id: str
    received_at: datetime


def verify_receipt(receipt: str, body: bytes, keys: Mapping[str, Any]) -> Receipt:
    """What the receipt says, if one of `keys` signed it about these very bytes.

    keys: the saved JWKS of `/referral/oauth/jwks`; keep it with the receipts. Raises InvalidReceipt.
    """
    try:
        _check_spelling(receipt)
        # A list of what may be there, never what the header claims: `none` and shared secrets are no signatures.
        signers = KeySet([JWKRegistry.import_key(dict(key)) for key in keys["keys"]])
        token = jwt.decode(receipt, signers, algorithms=[ALGORITHM])
        claims = token.claims
        said = Receipt(
            issuer=str(claims["iss"]),
            organisation_id=str(claims["sub"]),
            external_id=str(claims["external_id"]),
            referral_id=str(claims["jti"]),
            received_at=datetime.fromtimestamp(claims["iat"], UTC),
        )
        digest = str(claims["body_sha256"])
    except (JoseError, ValueError, TypeError, KeyError):
        raise InvalidReceipt("the receipt was not signed by any of these keys") from None
    if token.header.get("typ") != TYPE:
        raise InvalidReceipt("this is signed, but it is no receipt")
    if not hmac.compare_digest(digest, hashlib.sha256(body).hexdigest()):
        raise InvalidReceipt("the receipt is about another body")
    return said


def _check_spelling(receipt: str) -> None:
    """Raises ValueError for a part that could be spelt otherwise: the last letter's spare bits are not signed."""
    for part in receipt.split("."):
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        if base64.urlsafe_b64encode(raw).decode().rstrip("=") != part:
            raise ValueError("spelling")
