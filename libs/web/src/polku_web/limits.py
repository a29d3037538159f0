"""How much one machine client may ask: a sliding window per client, told in every answer.

Headers by draft-ietf-httpapi-ratelimit-headers (`RateLimit-Policy`, `RateLimit`) and 429 (RFC 6585 §4) with
`Retry-After`. Counted in each process on its own: a service that runs in three processes lets three times as
much through, which is meant, since it also bears three times as much.
"""

import math
import time

from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import Request

from polku_web.problems import Problem

POLICY = "default"


class Limiter:
    """requests: how many a client may make within `seconds`."""

    def __init__(self, requests: int, seconds: int) -> None:
        self.policy = RateLimitItemPerSecond(requests, seconds)
        self._seconds = seconds
        self._counting = SlidingWindowCounterRateLimiter(MemoryStorage())

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


async def spend(request: Request, client_id: str) -> None:
    """Counts a request of a client. Raises Problem 429 when there were too many."""
    limiter: Limiter | None = getattr(request.app.state, "limiter", None)
    if limiter is None:
        return
    headers, passes = await limiter.spend(client_id)
    request.state.limit_headers = headers  # the edge sends them, whatever the answer is
    if not passes:
        retry_after = headers["ratelimit"].rpartition("t=")[2]
        raise Problem(429, "too-many-requests", headers={"retry-after": retry_after})
