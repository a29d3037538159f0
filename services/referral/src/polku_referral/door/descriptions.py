"""What the token endpoint says beside its error codes (`error_description`, RFC 6749 §5.2: ASCII, no quotes).

Claims are read only after a registered key has verified the signature, so what is wrong with them is told to nobody
but who holds that key: it shows no stranger which clients there are. Everything before that, a client that is unknown
or shut out, a key, a signature, a form that cannot be read, is one text; the audit trail has the reason.
"""

from collections.abc import Mapping

from polku_referral.door.tokens import ASSERTION_S

PROOF = (
    "The proof is not accepted. Check that client_assertion is a JWT signed by a registered key, that sub is the id "
    "of the client, and that the client and its organisation are active."
)
GRANT_TYPE = "grant_type must be client_credentials."
SCOPE = "A scope was asked for that the client does not have."
NOT_NOW = "The address of the keys of the client has not answered. Try again."
_SHORT = f"exp must be within {ASSERTION_S} seconds from now, and iat not longer ago."

TOLD: Mapping[str, str] = {
    # What the form says of itself, before anything is looked up.
    "assertion-type": "client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer.",
    "client-id": "client_id must be left out, or be the sub of the assertion.",
    # Of a proof whose signature is right.
    "claim-iss": "iss and sub must both be the id of the client.",
    "claim-aud": "aud must be the issuer of the metadata, and nothing else.",
    "claim-exp": "exp must be there, in seconds since 1970.",
    "claim-iat": "iat must be in seconds since 1970.",
    "claim-nbf": "nbf must be in seconds since 1970.",
    "claim-jti": "jti must be there: 8 to 128 characters, another for each assertion.",
    "expired": "The assertion has expired. Make a new one for each request, and check the clock.",
    "lasts-too-long": _SHORT,
    "not-yet": "iat or nbf lies in the future. Check the clock.",
    "used-before": "This jti was used before. Make a new assertion for each request.",
}


def described(reason: str) -> str:
    """The text for the reason of an InvalidClient; PROOF for all that a stranger must not tell apart."""
    return TOLD.get(reason, PROOF)
