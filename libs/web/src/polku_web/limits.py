"""How much one machine client may ask: a sliding window per client, told in every answer.

Headers by draft-ietf-httpapi-ratelimit-headers (`RateLimit-Policy`, `RateLimit`) and 429 (RFC 6585 §4) with
`Retry-After`. Counted in each process on its own: a service that runs in three processes lets three times as
much through, which is meant, since it also bears three times as much.

Whoever was told to wait and does not is refused unread for a moment: not listening must cost next to nothing.
And of one client's writes only so many are worked on at a time; the others wait, so that a burst within what is
allowed does not stand before everybody else's.
"""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from contextlib import AbstractAsyncContextManager, nullcontext
from weakref import WeakValueDictionary

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import Request

from polku_web.deprecation import tell
from polku_web.problems import Problem

POLICY = "default"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_REFUSED = 10_000
"""Tokens that are remembered as refused; the oldest is forgotten first, and only costs a little more then."""


class Limiter:
    """requests: how many a client may make within `seconds`. at_once: writes of one client that run side by side."""

    def __init__(self, requests: int, seconds: int, at_once: int) -> None:
        self.at_once = at_once
        self._turns: WeakValueDictionary[bytes, asyncio.Semaphore] = WeakValueDictionary()
        self.policy = RateLimitItemPerSecond(requests, seconds)
        self._seconds = seconds
        self._counting = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._refused: OrderedDict[bytes, float] = OrderedDict()

    async def spend(self, client_id: str) -> tuple[dict[str, str], bool]:
        """Counts one request: the headers to answer with, and whether it may pass."""
        passes = await self._counting.hit(self.policy, client_id)
        reset_at, left = await self._counting.get_window_stats(self.policy, client_id)
        wait = max(1, math.ceil(reset_at - time.time()))
        headers = {
            "ratelimit-policy": f'"{POLICY}";q={self.policy.amount};w={self._seconds}',
            "ratelimit": f'"{POLICY}";r={max(0, left)};t={wait}',
        }
        return headers, passes

    def turn(self, request: Request) -> AbstractAsyncContextManager[object]:
        """Held while a request is worked on. Raises Problem 429 for a client that was told to wait."""
        authorization = request.headers.get("authorization", "")
        if not authorization:
            return nullcontext()
        digest = _digest(authorization)
        left = self._refused.get(digest, 0.0) - time.monotonic()
        if left > 0:
            raise too_many(math.ceil(left))
        self._refused.pop(digest, None)
        if request.method in SAFE_METHODS:
            return nullcontext()
        turn = self._turns.get(digest)
        if turn is None:
            turn = self._turns[digest] = asyncio.Semaphore(self.at_once)
        return turn

    def refuse(self, authorization: str, seconds: int) -> Problem:
        """The answer to a client that asked too much.

        The same credentials are refused unread for the time in which room for one more request comes: with all of
        `seconds` they would come back as one crowd.
        """
        self._refused[_digest(authorization)] = time.monotonic() + self._seconds / self.policy.amount
        if len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)
        return too_many(seconds)


def too_many(seconds: int) -> Problem:
    return Problem(429, "too-many-requests", headers={"retry-after": str(seconds)})


def _digest(authorization: str) -> bytes:
    return hashlib.sha256(authorization.encode()).digest()


async def spend(request: Request, client_id: str) -> None:
    """Counts a request of a client. Raises Problem 429 when there were too many."""
    limiter: Limiter = request.app.state.limiter
    headers, passes = await limiter.spend(client_id)
    tell(request, headers)
    if not passes:
        seconds = int(headers["ratelimit"].rpartition("t=")[2])
        raise limiter.refuse(request.headers.get("authorization", ""), seconds)
