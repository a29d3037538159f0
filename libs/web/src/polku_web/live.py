"""Live pages: one change stream per process wakes every open page, which then fetches its own part.

An event is thin: `event: polku:<topic>`, `id:` the position in the database's own history. The page reads
under the reader's rights, so nothing can leak here; a lost wake only delays, since pages also poll slowly.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakSet

from sse_starlette.sse import AppStatus

from polku_runtime.mongo import Database
from polku_web.changes import Opened, Source, changes

INTERVAL_S = 0.05
"""At most 20 events a second per topic leave the hub."""
MAX_TOPICS = 1000
"""Topics whose last change is remembered, for pages that come back."""

TopicsOf = Callable[[str], Iterable[str]]
Topics = Mapping[str, Sequence[str] | TopicsOf]
"""By collection: the topics that any change in it touches, or a function from the document's id to them."""


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


def end_streams() -> None:
    """Ends every open stream and wait of this process, for good.

    They would hold a stopping server for its whole grace period. The library would see it by uvicorn's own signal
    handler, which `polku_runtime.process` replaces.
    """
    AppStatus.should_exit = True
    for hub in _RUNNING:
        hub.end()
