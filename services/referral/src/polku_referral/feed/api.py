"""The sender's feed by polling: in order, from any place of the last year, waiting for news when asked to."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from hashlib import sha256
from typing import Annotated

import pymongo
from fastapi import APIRouter, Depends, Query, Response
from starlette.requests import Request

from polku_referral.feed.store import FeedStore
from polku_referral.feed.wire import FeedPage, item
from polku_referral.model.telling import channel_of
from polku_runtime.access import Principal
from polku_runtime.mongo import Document
from polku_web.doors import staff_or_client
from polku_web.edge import DATABASE_SECONDS
from polku_web.live import LiveHub
from polku_web.paging import MAX_CURSOR, MAX_LIMIT, decode, encode, next_href, wrong_cursor
from polku_web.problems import Problem, ProblemBody

MAX_WAIT_S = 25
MAX_WAITS = 4
"""Requests of one caller that may wait for news in one process at the same time."""
NOW = "now"

router = APIRouter(prefix="/referral/api/v1", tags=["events"])
Reader = Annotated[Principal, Depends(staff_or_client(roles=("referrer",), scopes=("referrals:read",)))]


class Reading:
    """What the feed's readers share in one process; `app.state.feed`."""

    origin: str | None = None
    """Stands before addresses in items; None: this Polku's own."""

    def __init__(self, store: FeedStore) -> None:
        self.store = store
        self.waiting: Counter[str] = Counter()

    @contextmanager
    def one_more(self, caller: str) -> Iterator[None]:
        """Raises Problem 429 when this caller waits often enough already."""
        if self.waiting[caller] >= MAX_WAITS:
            raise Problem(429, "too-many-requests", headers={"retry-after": "1"})
        self.waiting[caller] += 1
        try:
            yield
        finally:
            self.waiting[caller] -= 1
            if not self.waiting[caller]:
                del self.waiting[caller]


@router.get(
    "/events",
    response_model_exclude_none=True,
    responses={
        410: {
            "description": "What came after this cursor is not kept any more, or not known: read from the start",
            "model": ProblemBody,
        }
    },
)
async def events(
    request: Request,
    response: Response,
    who: Reader,
    after: Annotated[
        str | None,
        Query(max_length=MAX_CURSOR, description="`next` of the page before; `now`: only what comes; none: all"),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
    wait: Annotated[int, Query(ge=0, le=MAX_WAIT_S, description="Seconds to wait when there is nothing new")] = 0,
) -> FeedPage:
    """What became of the caller's referrals, in the order in which it was written down.

    Each item comes at least once; `id` tells repeats, and `version` counts the events of one referral without gaps.
    Keep `next` once the items are kept, and ask with it again. Items are kept for 400 days.
    """
    reading: Reading = request.app.state.feed
    channel = channel_of(who.organisation_id or "", test=who.test)
    with pymongo.timeout(DATABASE_SECONDS):
        place = await reading.store.last(channel) if after == NOW else place_of(after, channel)
    if request.method == "HEAD":
        wait = 0  # nobody would hear the news
    with reading.one_more(who.id) if wait else nullcontext():
        rows = await _read(request, reading.store, channel, place, limit, wait)
    if rows and after is not None and rows[0]["seq"] != place + 1:
        raise Problem(410, "cursor-expired")
    cursor = cursor_of(rows[-1]["seq"] if rows else place, channel)
    response.headers["link"] = f'<{next_href(request, cursor)}>; rel="next"'
    origin: str = request.app.state.settings.base_url if reading.origin is None else reading.origin
    return FeedPage(items=[item(row, origin) for row in rows], next=cursor, more=len(rows) == limit)


async def _read(request: Request, store: FeedStore, channel: str, place: int, limit: int, wait: int) -> list[Document]:
    """Rows after the place; when there are none, those that come within `wait` seconds.

    Each look has the database's own deadline, which the edge leaves to us here: waiting is not the database's fault.
    Raises Problem 410 for a place that the feed has not come to.
    """
    hub: LiveHub = request.app.state.live
    loop = asyncio.get_running_loop()
    until = loop.time() + wait
    while True:
        seen = hub.position  # taken before reading: what comes meanwhile ends the waiting at once
        with pymongo.timeout(DATABASE_SECONDS):
            rows = await store.page(channel, place, limit)
            if not rows and place > await store.last(channel):
                # The feed went back to a backup: who waited here would miss all until it has grown as long again.
                raise Problem(410, "cursor-expired")
        left = until - loop.time()
        if rows or left <= 0 or not await _news(request, hub, channel, seen, left):
            return rows


async def _news(request: Request, hub: LiveHub, channel: str, seen: int, seconds: float) -> bool:
    """True when the feed may have something new; False when time is up, the process stops or nobody listens."""
    told = asyncio.create_task(hub.changed(seen, [topic(channel)], seconds))
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait([told, gone], return_when=asyncio.FIRST_COMPLETED)
        return told.done() and told.result()
    finally:
        told.cancel()
        gone.cancel()
        await asyncio.gather(told, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def topic(channel: str) -> str:
    """The live topic of a feed: told when its counter moves."""
    return f"feed-{channel}"


def cursor_of(place: int, channel: str) -> str:
    """A place of one feed. It says of which: another's would skip what it has not seen, without a word."""
    return encode((place, _mark(channel)))


def place_of(cursor: str | None, channel: str) -> int:
    """The place that a cursor of this feed names, 0 for none. Raises Problem 422 for anything else."""
    if cursor is None:
        return 0
    place, *of = decode(cursor)
    # Cursors that say nothing of their feed were given out before they did.
    if not isinstance(place, int) or place < 0 or of not in ([], [_mark(channel)]):
        raise wrong_cursor()
    return place


def _mark(channel: str) -> str:
    return sha256(channel.encode()).hexdigest()[:8]
