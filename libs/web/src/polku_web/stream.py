"""The hub's wakes over HTTP: one stream of server-sent events for each open page of somebody who is signed in."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any

import pymongo
from fastapi import APIRouter, Header, Query
from pymongo.errors import PyMongoError
from sse_starlette.sse import EventSourceResponse
from starlette.requests import Request

from polku_runtime.trouble import name_of
from polku_web.doors import not_signed_in, visit_of
from polku_web.live import LiveHub

LOG = logging.getLogger("polku.web.live")

PING_S = 15
RETRY_MS = 1000
SEND_TIMEOUT_S = 10
CHECK_S = 1.5
"""How long to wait for MongoDB when the session is looked at; the stream itself has no deadline."""


def live_router(service: str) -> APIRouter:
    """`GET /<service>/live?since=…&topic=…`: the stream for one page of a signed-in person."""
    router = APIRouter(include_in_schema=False)

    @router.get(f"/{service}/live")
    async def live(
        request: Request,
        since: Annotated[int | None, Query(ge=0)] = None,
        topic: Annotated[list[str] | None, Query(max_length=20)] = None,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> EventSourceResponse:
        with pymongo.timeout(CHECK_S):
            visit = await visit_of(request)
        if visit is None:
            raise not_signed_in()
        last = int(last_event_id) if last_event_id and last_event_id[:20].isdigit() else since
        hub: LiveHub = request.app.state.live
        events = _events(hub.stream(last, topic or ()), lambda: _still_signed_in(request))
        return EventSourceResponse(events, ping=PING_S, send_timeout=SEND_TIMEOUT_S)

    return router


async def _events(
    told: AsyncIterator[tuple[int, str]], still: Callable[[], Awaitable[bool]], check_every: float = PING_S
) -> AsyncIterator[dict[str, Any]]:
    """SSE fields of what the hub tells. Ends when the session does; the browser's next try hears 401."""
    loop = asyncio.get_running_loop()
    yield {"comment": "open", "retry": RETRY_MS}
    check_at = loop.time() + check_every
    coming: asyncio.Task[tuple[int, str]] = asyncio.ensure_future(anext(told))
    try:
        while True:
            await asyncio.wait([coming], timeout=max(0.0, check_at - loop.time()))
            if loop.time() >= check_at:
                if not await still():
                    return
                check_at = loop.time() + check_every
            if coming.done():
                at, topic = coming.result()
                yield {"id": str(at), "event": f"polku:{topic}", "data": ""}
                coming = asyncio.ensure_future(anext(told))
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await told.aclose()  # type: ignore[attr-defined]


async def _still_signed_in(request: Request) -> bool:
    try:
        with pymongo.timeout(CHECK_S):
            return await request.app.state.door.visit(request) is not None
    except PyMongoError as error:
        LOG.warning("session not checked", extra={"error": name_of(error)})
        return True  # asked again at the next ping; the parts that the page fetches are checked on their own
