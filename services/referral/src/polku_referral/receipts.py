"""The receipt: proof for the sender, verifiable offline with the published keys (JWS, RFC 7515, ES256)."""

from datetime import datetime

from joserfc import jwt

from polku_referral.keys import ALGORITHM, SigningKeys

TYPE = "polku-receipt+jwt"


async def receipt(
    keys: SigningKeys,
    *,
    issuer: str,
    organisation_id: str,
    external_id: str,
    referral_id: str,
    body_sha256: str,
    at: datetime,
) -> str:
    """Says that `issuer` received from the sender exactly this body at this time. body_sha256: hex, of the bytes."""
    key = await keys.signer()
    claims = {
        "iss": issuer,
        "sub": organisation_id,
        "jti": referral_id,
        "external_id": external_id,
        "body_sha256": body_sha256,
        "iat": int(at.timestamp()),
    }
    return jwt.encode({"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}, claims, key)
