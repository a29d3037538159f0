"""Access tokens of machine clients: `at+jwt` (RFC 9068), ES256, verified with the door's published keys."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import BadSignatureError, ClaimError, ExpiredTokenError, JoseError
from joserfc.jwk import KeySet

from polku_runtime.access.principal import Principal

ALGORITHMS = ["ES256"]
LEEWAY_S = 30
KEYS_FRESH_S = 30.0
"""What a retired key signed is believed for so long; other readers of the published keys are told the same."""
REFETCH_S = 5.0
"""An unknown key id may be a new key, but a flood of forged tokens must not become a flood of fetches."""
FIRST_S = 1.0
"""Without any keys a failure is believed for less long."""
MAX_TOKEN = 8192
log = logging.getLogger(__name__)

FetchKeys = Callable[[], Awaitable[dict[str, Any]]]


UNREADABLE = (JoseError, ValueError, TypeError, KeyError, RecursionError)
"""What reading a token of a stranger may raise; the last: brackets nested for the sake of it."""


class TokenError(Exception):
    """The token is not to be trusted. The answer is 401 for all; why, only the audit trail may hear.

    reason: a code. client_id: whose token it is, known only when the signature was right.
    """

    def __init__(self, reason: str, client_id: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.client_id = client_id


class NoKeys(Exception):
    """No published keys have ever been here, so nothing can be said of any token: that is ours, not the caller's."""


class TokenVerifier:
    """Verifies tokens of one issuer for one audience. Keys are fetched when needed and kept when the door is down.

    now: the present, in seconds since 1970; the system's clock when left out.
    """

    def __init__(self, issuer: str, audience: str, fetch: FetchKeys, now: Callable[[], int] | None = None) -> None:
        self.issuer = issuer
        self.audience = audience
        self._fetch = fetch
        self._now = now
        self._keys: KeySet | None = None
        self._fetched = self._tried = float("-inf")
        self._fetching = asyncio.Lock()

    async def verify(self, token: str) -> Principal:
        """The client behind a token. Raises TokenError, NoKeys."""
        decoded = await self._decoded(token)
        claims = decoded.claims
        client_id = claims.get("client_id") if isinstance(claims, dict) else None
        if not isinstance(client_id, str):
            raise TokenError("claims")
        if decoded.header.get("typ") not in ("at+jwt", "application/at+jwt"):
            raise TokenError("type", client_id)
        rules = jwt.JWTClaimsRegistry(
            now=self._now,
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.audience},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            client_id={"essential": True},
        )
        try:
            rules.validate(claims)
            issued_at = datetime.fromtimestamp(claims["iat"], UTC)
        except (*UNREADABLE, OverflowError) as error:
            raise TokenError(reason_of(error), client_id) from error
        return Principal(
            kind="client",
            id=client_id,
            organisation_id=str(claims["organisation"]) if "organisation" in claims else None,
            scopes=frozenset(str(claims.get("scope", "")).split()),
            test=claims.get("test") is True,
            issued_at=issued_at,
        )

    async def _decoded(self, token: str) -> jwt.Token:
        if len(token) > MAX_TOKEN:
            raise TokenError("too-long")
        keys = await self._key_set(refresh=False)
        try:
            return jwt.decode(token, keys, algorithms=ALGORITHMS)
        except UNREADABLE:
            try:
                return jwt.decode(token, await self._key_set(refresh=True), algorithms=ALGORITHMS)
            except UNREADABLE as error:
                raise TokenError(reason_of(error)) from error

    async def _key_set(self, *, refresh: bool) -> KeySet:
        """The published keys; a door that is down or slow is asked every REFETCH_S and waited for by one request."""
        if self._is_due(refresh=refresh):
            async with self._fetching:
                if self._is_due(refresh=refresh):
                    await self._renew()
        if self._keys is None:
            raise NoKeys
        return self._keys

    def _is_due(self, *, refresh: bool) -> bool:
        now = time.monotonic()
        if self._keys is None:
            return now - self._tried > FIRST_S
        return now - self._tried > REFETCH_S and (refresh or now - self._fetched > KEYS_FRESH_S)

    async def _renew(self) -> None:
        try:
            self._keys = KeySet.import_key_set(await self._fetch())  # type: ignore[arg-type]
        except (httpx.HTTPError, JoseError, ValueError) as error:
            log.warning("the published keys could not be fetched", extra={"error": type(error).__name__})
        else:
            self._fetched = time.monotonic()
        self._tried = time.monotonic()


def reason_of(error: BaseException) -> str:
    """Why a token was refused, as a code: `expired`, `claim-aud`, `signature`, `malformed`, or the library's own."""
    match error:
        case ExpiredTokenError():
            return "expired"
        case ClaimError():
            return f"claim-{error.claim}"
        case BadSignatureError():
            return "signature"
        case JoseError():
            return error.error.replace("_", "-")
        case _:
            return "malformed"


def fetch_from(url: str) -> FetchKeys:
    """Fetches a JWKS (RFC 7517) from a fixed address of our own; never from one named in a token."""

    async def fetch() -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=2.0, follow_redirects=False) as client:
            answer = await client.get(url)
            answer.raise_for_status()
            keys: dict[str, Any] = answer.json()
            return keys

    return fetch
