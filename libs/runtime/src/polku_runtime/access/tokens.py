"""Access tokens of machine clients: `at+jwt` (RFC 9068), ES256, verified with the door's published keys."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from polku_runtime.access.principal import Principal

ALGORITHMS = ["ES256"]
LEEWAY_S = 30
KEYS_FRESH_S = 300.0
REFETCH_S = 5.0
"""An unknown key id may be a new key, but a flood of forged tokens must not become a flood of fetches."""
MAX_TOKEN = 8192

FetchKeys = Callable[[], Awaitable[dict[str, Any]]]


class TokenError(Exception):
    """The token is not to be trusted. Nothing is said about why: the answer is 401 for all."""


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
        self._fetched = 0.0

    async def verify(self, token: str) -> Principal:
        """The client behind a token. Raises TokenError."""
        if len(token) > MAX_TOKEN:
            raise TokenError
        keys = await self._key_set(refresh=False)
        try:
            decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            try:
                decoded = jwt.decode(token, await self._key_set(refresh=True), algorithms=ALGORITHMS)
            except (JoseError, ValueError) as error:
                raise TokenError from error
        if decoded.header.get("typ") not in ("at+jwt", "application/at+jwt"):
            raise TokenError
        rules = jwt.JWTClaimsRegistry(
            now=self._now,
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.audience},
            exp={"essential": True},
            sub={"essential": True},
            client_id={"essential": True},
        )
        try:
            rules.validate(decoded.claims)
        except (JoseError, ValueError, TypeError) as error:
            raise TokenError from error
        claims = decoded.claims
        return Principal(
            kind="client",
            id=str(claims["client_id"]),
            organisation_id=str(claims["organisation"]) if "organisation" in claims else None,
            scopes=frozenset(str(claims.get("scope", "")).split()),
            test=claims.get("test") is True,
        )

    async def _key_set(self, *, refresh: bool) -> KeySet:
        age = time.monotonic() - self._fetched
        if self._keys is None or age > (REFETCH_S if refresh else KEYS_FRESH_S):
            try:
                self._keys = KeySet.import_key_set(await self._fetch())  # type: ignore[arg-type]
                self._fetched = time.monotonic()
            except (httpx.HTTPError, JoseError, ValueError) as error:
                if self._keys is None:
                    raise TokenError from error
        return self._keys


def fetch_from(url: str) -> FetchKeys:
    """Fetches a JWKS (RFC 7517) from a fixed address of our own; never from one named in a token."""

    async def fetch() -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=2.0, follow_redirects=False) as client:
            answer = await client.get(url)
            answer.raise_for_status()
            keys: dict[str, Any] = answer.json()
            return keys

    return fetch
