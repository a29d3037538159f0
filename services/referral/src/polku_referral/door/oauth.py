"""The machines' door: metadata (RFC 8414), published keys (RFC 7517) and the token endpoint (RFC 6749 §4.4)."""

import logging
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Response
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse

from polku_referral.door.descriptions import GRANT_TYPE, NOT_NOW, SCOPE, described
from polku_referral.door.refusals import ASSERTION, Refusals
from polku_referral.door.tokens import ALGORITHMS, TOKEN_S, InvalidClient, NotNow, Tokens
from polku_referral.keys import SigningKeys
from polku_referral.model.directory import SCOPES
from polku_runtime.access.tokens import KEYS_FRESH_S

TOKEN, JWKS, METADATA = "/referral/oauth/token", "/referral/oauth/jwks", "/.well-known/oauth-authorization-server"
AGAIN_S = "5"
"""Seconds; by then an address that is only slow has answered (`remote_keys.SECONDS`)."""
NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}

log = logging.getLogger(__name__)
router = APIRouter(tags=["oauth"])


class TokenOut(BaseModel):
    """RFC 6749 §5.1. expires_in: seconds. scope: what was granted, with spaces between."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str


class TokenErrorOut(BaseModel):
    """RFC 6749 §5.2, and `temporarily_unavailable` of §4.1.2.1. error_description: for the client's developer."""

    error: Literal["unsupported_grant_type", "invalid_client", "invalid_scope", "temporarily_unavailable"]
    error_description: str


REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "Not as RFC 6749 has it", "model": TokenErrorOut},
    401: {"description": "The proof is not accepted", "model": TokenErrorOut},
    503: {"description": "The address of the client's keys has not answered; try again", "model": TokenErrorOut},
}


@router.get(METADATA)
async def metadata(request: Request) -> dict[str, Any]:
    """Where and how a client gets a token. `issuer` is the only audience that an assertion may have."""
    issuer = request.app.state.settings.base_url
    return {
        "issuer": issuer,
        "token_endpoint": issuer + TOKEN,
        "jwks_uri": issuer + JWKS,
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": [],
        "scopes_supported": list(SCOPES),
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
    }


@router.get(JWKS)
async def jwks(request: Request, response: Response) -> dict[str, Any]:
    """The keys that verify access tokens and receipts."""
    # As long as our own services keep them; a new key is published for much longer before it signs.
    response.headers["cache-control"] = f"public, max-age={KEYS_FRESH_S:.0f}"
    keys: SigningKeys = request.app.state.keys
    return await keys.published()


@router.post(TOKEN, response_model=TokenOut, responses=REFUSALS)
async def token(
    request: Request,
    grant_type: Annotated[str, Form()] = "",
    client_assertion_type: Annotated[str, Form()] = "",
    client_assertion: Annotated[str, Form()] = "",
    client_id: Annotated[str, Form(description="Not needed; the one in the assertion, if it is there")] = "",
    scope: Annotated[str, Form(max_length=500)] = "",
) -> JSONResponse:
    """A short-lived access token for a client that proves its private key."""
    if grant_type != "client_credentials":
        return _error(400, "unsupported_grant_type", GRANT_TYPE)
    tokens: Tokens = request.app.state.tokens
    try:
        client = await tokens.authenticate(client_assertion, client_assertion_type, client_id)
        issued, scopes = await tokens.issue(client, scope)
    except InvalidClient as invalid:
        log.warning("client authentication refused", extra={"reason": invalid.reason})
        refusals: Refusals = request.app.state.refusals
        await refusals.note(ASSERTION, invalid.reason, invalid.claimed)
        if isinstance(invalid, NotNow):
            return _error(503, "temporarily_unavailable", NOT_NOW, {"retry-after": AGAIN_S})
        return _error(401, "invalid_client", described(invalid.reason))
    except ValueError:
        return _error(400, "invalid_scope", SCOPE)
    body = {"access_token": issued, "token_type": "Bearer", "expires_in": TOKEN_S, "scope": " ".join(scopes)}
    return JSONResponse(body, headers=NO_STORE)


def _error(status: int, code: str, description: str, more: Mapping[str, str] | None = None) -> JSONResponse:
    """RFC 6749 §5.2."""
    body = {"error": code, "error_description": description}
    return JSONResponse(body, status, headers={**NO_STORE, **(more or {})})
