"""Health that means something.

live: the event loop turns and every long task has made progress lately; it never asks MongoDB or Kafka, or
an outage would become a storm of restarts. ready: the work can be done now, or one line says what holds it.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from polku_runtime.metrics import Metrics

Check = Callable[[], Awaitable[str | None]]
"""Answers None when all is well, else what is wrong (no names, no versions, no addresses)."""

Scope = Mapping[str, Any]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


async def answer(path: str, *, live: Check, ready: Check, metrics: Metrics) -> tuple[int, str, bytes] | None:
    """Status, media type and body for a path that ends with health/live, health/ready or metrics; else None."""
    if path.endswith("/metrics"):
        return 200, "text/plain; version=0.0.4; charset=utf-8", metrics.text()
    check = live if path.endswith("/health/live") else ready if path.endswith("/health/ready") else None
    if check is None:
        return None
    wrong = await check()
    body = {"status": "ok"} if wrong is None else {"status": "unavailable", "reason": wrong}
    return (200 if wrong is None else 503), "application/json", json.dumps(body).encode()


async def respond(send: Send, status: int, media_type: str, body: bytes) -> None:
    """Sends one plain ASGI answer."""
    headers = [(b"content-type", media_type.encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
