"""Live pages: one change stream per process wakes every open page, which then fetches its own part.

An event is thin: `event: polku:<topic>`, `id:` the position in the database's own history. The page reads
under the reader's rights, so nothing can leak here; a lost wake only delays, since pages also poll slowly.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any
from weakref import WeakSet

import pymongo
from bson import Timestamp
from fastapi import APIRouter, Header, Query
from pymongo.errors import PyMongoError
from sse_starlette.sse import AppStatus, EventSourceResponse
from starlette.requests import Request

from polku_runtime.mongo import Database
from polku_runtime.trouble import name_of
from polku_web.doors import not_signed_in, visit_of

LOG = logging.getLogger("polku.web.live")

INTERVAL_S = 0.05
"""At most 20 events a second per topic leave the hub."""
PING_S = 15
RETRY_S = 1.0
RETRY_MS = 1000
SEND_TIMEOUT_S = 10
CHECK_S = 1.5
"""How long to wait for MongoDB when the session is looked at; the stream itself has no deadline."""
MAX_TOPICS = 1000
"""Topics whose last change is remembered, for pages that come back."""

TopicsOf = Callable[[str], Iterable[str]]
Topics = Mapping[str, Sequence[str] | TopicsOf]
"""By collection: the topics that any change in it touches, or a function from the document's id to them."""


@dataclass(frozen=True)
class Change:
    """One change. `at` is the database's cluster time as one integer: it grows, in every process alike."""

    collection: str
    id: str
    at: int


@dataclass(frozen=True)
class Opened:
    """The source starts, or starts again after a gap: nothing before `at` is known."""

    at: int


Source = Callable[[], AsyncIterator[Change | Opened]]


@dataclass(eq=False)
class _Listener:
    """One open page. What waits for it is one position per topic, so a slow page cannot pile anything up."""

    topics: frozenset[str]
    waiting: dict[str, int] = field(default_factory=dict)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, topic: str, at: int) -> None:
        if topic not in self.topics and topic != RESET:
            return
        self.waiting[topic] = at
        self.woken.set()


RESET = "reset"
"""Tells a page that it may have missed something: it fetches all of its parts."""


class LiveHub:
    """Listens to the database once and tells all open pages of this process."""

    def __init__(
        self,
        database: Database,
        topics: Topics,
        *,
        source: Source | None = None,
        interval: float = INTERVAL_S,
    ) -> None:
        self.topics = topics
        self.source = source or (lambda: changes(database, list(topics)))
        self.interval = interval
        self.position = 0
        self.known_from = 0
        # Topics made from an id are told to who asks for them by name: the id is then known already.
        self._common = frozenset(name for names in topics.values() if not callable(names) for name in names)
        self._last: OrderedDict[str, int] = OrderedDict()
        self._sent: dict[str, float] = {}
        self._due: dict[str, int] = {}
        self._listeners: set[_Listener] = set()
        self._ending = False

    @property
    def cursor(self) -> str:
        """What a page rendered now has seen; it goes into the page, taken before its data is read."""
        return str(self.position)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listens while the block runs."""
        task = asyncio.create_task(self._listen())
        _RUNNING.add(self)
        try:
            yield
        finally:
            # The driver may turn a cancellation into an error of its own, so one is not always enough.
            while not task.done():
                task.cancel()
                await asyncio.wait([task], timeout=0.2)

    async def stream(self, last: int | None, topics: Iterable[str] = ()) -> AsyncIterator[tuple[int, str]]:
        """(position, topic) from `last` on, for ever; first what was missed, `RESET` when that is not known.

        Without `topics` those that are the same for everybody.
        """
        listener = _Listener(frozenset(topics) or self._common)
        self._listeners.add(listener)
        try:
            self._catch_up(listener, last)
            while True:
                await listener.woken.wait()
                listener.woken.clear()
                told, listener.waiting = listener.waiting, {}
                for topic, at in sorted(told.items(), key=lambda item: item[1]):
                    yield at, topic
        finally:
            self._listeners.discard(listener)

    async def changed(self, last: int, topics: Iterable[str], seconds: float) -> bool:
        """Waits for a change of one of `topics` after the position `last`, for a request that waits for news.

        True when there is one, or may be; False when time is up or the process stops.
        """
        listener = _Listener(frozenset(topics))
        self._listeners.add(listener)
        self._catch_up(listener, last)
        try:
            if not self._ending:
                await asyncio.wait_for(listener.woken.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            self._listeners.discard(listener)
        return not self._ending

    def end(self) -> None:
        """Ends every `changed`, for good."""
        self._ending = True
        for listener in self._listeners:
            listener.woken.set()

    def _catch_up(self, listener: _Listener, last: int | None) -> None:
        if last is None:
            return
        if last < self.known_from:
            listener.tell(RESET, self.position)
            return
        for topic, at in self._last.items():
            if at > last:
                listener.tell(topic, at)

    async def _listen(self) -> None:
        async for change in self.source():
            self.position = max(self.position, change.at)
            if isinstance(change, Opened):
                self.known_from = change.at
                self._last.clear()
                for listener in self._listeners:
                    listener.tell(RESET, change.at)
                continue
            named = self.topics.get(change.collection, ())
            for topic in named(change.id) if callable(named) else named:
                self._touch(topic, change.at)

    def _touch(self, topic: str, at: int) -> None:
        self._last[topic] = at
        self._last.move_to_end(topic)
        if len(self._last) > MAX_TOPICS:
            gone, forgotten = self._last.popitem(last=False)
            self._sent.pop(gone, None)
            self.known_from = max(self.known_from, forgotten)
        if topic in self._due:
            self._due[topic] = at
            return
        loop = asyncio.get_running_loop()
        wait = self._sent.get(topic, -self.interval) + self.interval - loop.time()
        self._due[topic] = at
        if wait <= 0:
            self._send(topic)
        else:
            loop.call_later(wait, self._send, topic)

    def _send(self, topic: str) -> None:
        at = self._due.pop(topic)
        self._sent[topic] = asyncio.get_running_loop().time()
        for listener in self._listeners:
            listener.tell(topic, at)


_RUNNING: WeakSet[LiveHub] = WeakSet()


async def changes(database: Database, collections: Sequence[str]) -> AsyncIterator[Change | Opened]:
    """The database's change stream, for ever: goes on after trouble where it was, or says that it cannot."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"ns.coll": {"$in": list(collections)}}},
        {"$project": {"ns": 1, "documentKey": 1, "operationType": 1, "clusterTime": 1}},
    ]
    token: Mapping[str, Any] | None = None
    while True:
        flowed = False
        try:
            start: Timestamp | None = None
            if token is None:
                known: Timestamp = (await database.command("ping"))["operationTime"]
                start = Timestamp(known.time, known.inc + 1)  # the start is inclusive
                yield Opened(_position(known))
            stream = await database.watch(
                pipeline, resume_after=token, start_at_operation_time=start, max_await_time_ms=1000
            )
            async with stream:
                # A stream that was closed under us (a swallowed cancellation) answers None at once, for ever.
                while stream.alive:
                    change = await stream.try_next()
                    token = stream.resume_token
                    flowed = True
                    if change is not None and "documentKey" in change:
                        key = str(change["documentKey"]["_id"])
                        yield Change(change["ns"]["coll"], key, _position(change["clusterTime"]))
        except PyMongoError as error:
            LOG.warning("change stream lost, going on", extra={"error": name_of(error)})
            if not flowed and getattr(error, "code", None) is not None:
                token = None  # the server refuses to resume (its history is too short): start anew
        await asyncio.sleep(RETRY_S)


def _position(time: Timestamp) -> int:
    return (time.time << 32) | time.inc


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


def end_streams() -> None:
    """Ends every open stream and wait of this process, for good.

    They would hold a stopping server for its whole grace period. The library would see it by uvicorn's own signal
    handler, which `polku_runtime.process` replaces.
    """
    AppStatus.should_exit = True
    for hub in _RUNNING:
        hub.end()


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
