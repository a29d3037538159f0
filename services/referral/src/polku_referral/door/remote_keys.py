"""Public keys that a client publishes at an address of its own (JWKS, RFC 7517 §5), fetched when they are needed.

The address was judged when it was registered and is judged again at every connection, as those of webhooks are. What
an assertion names in its header is never an address here: only a key id that may be missing.
"""

import asyncio
import json
import logging
import ssl
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpcore

from polku_referral.door.client_keys import Unfit, public_key
from polku_referral.model.directory import Client
from polku_referral.webhooks.addresses import Allowed
from polku_referral.webhooks.posting import Guarded, Resolve, Resolver, error_of
from polku_runtime.effects import Effects

FRESH = timedelta(minutes=5)
AGAIN = timedelta(seconds=60)
"""An unknown key id may be a new key, but a flood of forged assertions must not become a flood of fetches."""
STALE = timedelta(hours=1)
"""So long the keys of before go on when the address does not answer."""
SECONDS = 5.0
MAX_BYTES = 64 * 1024
MAX_KEYS = 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fetched:
    """keys: JWKs that fit. at: when they came. tried_at: when they were asked for last."""

    keys: Sequence[dict[str, Any]]
    at: datetime
    tried_at: datetime


class RemoteKeys:
    """Of one API process. resolve, tls: replaced in tests."""

    def __init__(
        self,
        allowed: Allowed,
        effects: Effects,
        *,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.effects = effects
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or ssl.create_default_context(),
            max_keepalive_connections=0,
            network_backend=Guarded(allowed, resolve or Resolver()),
        )
        self._known: dict[str, Fetched] = {}
        self._asking: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def of(self, client: Client, kid: str | None) -> Sequence[dict[str, Any]]:
        """The keys at the client's address; empty when there are none. kid: the one that is looked for."""
        assert client.jwks_uri is not None
        async with self._asking[client.jwks_uri]:
            known, now = self._known.get(client.jwks_uri), self.effects.now()
            if known is None or now - known.tried_at >= AGAIN:
                has_it = known is not None and (kid is None or any(key["kid"] == kid for key in known.keys))
                if known is None or not has_it or now - known.at >= FRESH:
                    known = self._known[client.jwks_uri] = await self._ask(client.jwks_uri, known, now)
        return known.keys if now - known.at < STALE else ()

    async def _ask(self, uri: str, known: Fetched | None, now: datetime) -> Fetched:
        try:
            async with asyncio.timeout(SECONDS):
                return Fetched(await self._fetch(uri), now, now)
        except Exception as problem:  # noqa: BLE001 - whatever a stranger's server does is an outcome, never our end
            log.warning("keys of a client could not be fetched", extra={"error": error_of(problem)})
            return Fetched(known.keys if known else (), known.at if known else now, now)

    async def _fetch(self, uri: str) -> list[dict[str, Any]]:
        """Raises what goes wrong. Redirects are not followed."""
        read = b""
        async with self._pool.stream("GET", uri, headers={"accept": "application/json"}) as response:
            if response.status != 200:
                raise ValueError("status")
            async for chunk in response.aiter_stream():
                read += chunk
                if len(read) > MAX_BYTES:
                    raise ValueError("too large")
        fit = []
        for key in json.loads(read)["keys"][:MAX_KEYS]:
            try:
                fit.append(public_key(json.dumps(key)))
            except Unfit:
                continue  # a set may hold keys for other purposes
        return fit

    async def close(self) -> None:
        await self._pool.aclose()
