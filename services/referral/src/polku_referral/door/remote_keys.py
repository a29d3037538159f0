"""Public keys that a client publishes at an address of its own (JWKS, RFC 7517 §5), fetched when they are needed.

The address was judged when it was registered and is judged again at every connection, as those of webhooks are. What
an assertion names in its header is never an address here: only a key id that may be missing.
"""

import asyncio
import json
import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpcore

from polku_referral.door.client_keys import Unfit, public_key
from polku_referral.model.directory import Client
from polku_referral.webhooks.addresses import Allowed
from polku_referral.webhooks.posting import Guarded, Resolve, Resolver, error_of, trusting
from polku_runtime.effects import Effects

FRESH = timedelta(minutes=5)
AGAIN = timedelta(seconds=60)
"""An unknown key id may be a new key, but a flood of forged assertions must not become a flood of fetches."""
AFTER_FAILURE = timedelta(seconds=10)
"""A failure is believed for so long: who corrects an address does not wait for a minute."""
STALE = timedelta(hours=1)
"""So long the keys of before go on when the address does not answer."""
SECONDS = 5.0
WAIT_S = 1.0
"""Whoever needs the keys waits for so long, well within what a request may take; the fetch goes on without them."""
MAX_BYTES = 64 * 1024
MAX_KEYS = 20

log = logging.getLogger(__name__)


class KeysNotHere(Exception):
    """The client's address has not given keys, or not for so long that the old ones do not count any more."""


@dataclass(frozen=True)
class Fetched:
    """keys: JWKs that fit. at: when they came; None before they ever did. tried_at: when they were asked for last."""

    keys: Sequence[dict[str, Any]]
    at: datetime | None
    tried_at: datetime

    @property
    def failed(self) -> bool:
        return self.at != self.tried_at

    def is_due(self, kid: str | None, now: datetime) -> bool:
        """Whether to ask again, looking for this key id."""
        if now - self.tried_at < (AFTER_FAILURE if self.failed else AGAIN):
            return False
        has_it = kid is None or any(key["kid"] == kid for key in self.keys)
        return self.at is None or not has_it or now - self.at >= FRESH


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
            ssl_context=tls or trusting(),
            max_connections=None,  # one is open to an address at most; the dead must not keep the others waiting
            max_keepalive_connections=0,
            network_backend=Guarded(allowed, resolve or Resolver()),
        )
        self._known: dict[str, Fetched] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def of(self, client: Client, kid: str | None) -> Sequence[dict[str, Any]]:
        """The keys at the client's address. kid: the one that is looked for. Raises KeysNotHere."""
        assert client.jwks_uri is not None
        known = await self.look(client.jwks_uri, kid)
        if known is None or known.at is None or self.effects.now() - known.at >= STALE:
            raise KeysNotHere
        return known.keys

    async def look(self, uri: str, kid: str | None = None, wait_s: float | None = None) -> Fetched | None:
        """What is known of an address, which is asked when that is due; None before its first answer or failure.

        wait_s: how long to wait for it; WAIT_S when left out.
        """
        known, now = self._known.get(uri), self.effects.now()
        if known is None or known.is_due(kid, now):
            if uri not in self._asking:
                self._asking[uri] = asyncio.create_task(self._ask(uri, known, now))
            await asyncio.wait([self._asking[uri]], timeout=WAIT_S if wait_s is None else wait_s)
        return self._known.get(uri)

    async def _ask(self, uri: str, known: Fetched | None, now: datetime) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                self._known[uri] = Fetched(await self._fetch(uri), now, now)
        except Exception as problem:  # noqa: BLE001 - whatever a stranger's server does is an outcome, never our end
            log.warning("keys of a client could not be fetched", extra={"error": error_of(problem)})
            self._known[uri] = Fetched(known.keys if known else (), known.at if known else None, now)
        finally:
            del self._asking[uri]

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
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await self._pool.aclose()
