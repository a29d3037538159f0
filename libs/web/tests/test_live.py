"""The hub: coalescing, catching up, gaps, slow pages; the stream: thin events, and an end with the session."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from polku_web.changes import Change, Opened
from polku_web.live import RESET, LiveHub
from polku_web.stream import _events

INTERVAL = 0.05


class FakeSource:
    """Changes when the test says so."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Change | Opened] = asyncio.Queue()
        self.queue.put_nowait(Opened(100))

    async def __call__(self) -> AsyncIterator[Change | Opened]:
        while True:
            yield await self.queue.get()

    def change(self, at: int, collection: str = "referrals", key: str = "r-1") -> None:
        self.queue.put_nowait(Change(collection, key, at))


TOPICS: dict[str, Any] = {"referrals": ["inbox"], "pathways": lambda key: ["case-load", f"pathway.{key}"]}


@asynccontextmanager
async def running(source: FakeSource, topics: dict[str, Any] = TOPICS) -> AsyncIterator[LiveHub]:
    hub = LiveHub(None, topics, source=source, interval=INTERVAL)  # type: ignore[arg-type]
    async with hub.running():
        await asyncio.sleep(0.01)
        yield hub


async def take(stream: AsyncIterator[tuple[int, str]], last: tuple[int, str] | None) -> list[tuple[int, str]]:
    """What comes until the last that is waited for, however long that takes, and in a little while after it."""
    found: list[tuple[int, str]] = []

    async def collect(*, ends: bool) -> None:
        async for item in stream:
            found.append(item)
            if ends and item == last:
                return

    if last is not None:
        await asyncio.wait_for(collect(ends=True), 30)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(collect(ends=False), 0.03)
    return found


async def test_a_burst_is_told_at_once_then_at_most_twenty_times_a_second() -> None:
    source = FakeSource()
    async with running(source) as hub:
        began = time.monotonic()
        taking = asyncio.create_task(take(hub.stream(None), (400, "inbox")))
        await asyncio.sleep(0.01)
        for at in range(101, 401):
            source.change(at)
            await asyncio.sleep(0.001)
        found = await taking
        took = time.monotonic() - began
    assert found[0] == (101, "inbox"), "the first goes at once"
    assert found[-1] == (400, "inbox"), "the last is never lost"
    assert 3 <= len(found) <= 2 + took / INTERVAL
    assert found == sorted(found)


async def test_topics_do_not_wait_for_each_other() -> None:
    source = FakeSource()
    async with running(source) as hub:
        taking = asyncio.create_task(take(hub.stream(None, ["pathway.p-1", "inbox"]), (102, "pathway.p-1")))
        await asyncio.sleep(0.01)
        source.change(101)
        source.change(102, "pathways", "p-1")
        source.change(103, "pathways", "p-2")
        source.change(104, "nobody-listens")
        found = await taking
    assert found == [(101, "inbox"), (102, "pathway.p-1")]
    assert hub.cursor == "104"


async def test_a_page_that_comes_back_hears_what_it_missed_once() -> None:
    source = FakeSource()
    async with running(source) as hub:
        for at in (101, 102, 103):
            source.change(at)
        source.change(104, "pathways", "p-1")
        await asyncio.sleep(0.12)
        assert await take(hub.stream(102), (103, "inbox")) == [(103, "inbox")], (
            "topics of one person are asked for by name"
        )
        asked = hub.stream(102, ["inbox", "case-load", "pathway.p-1"])
        assert await take(asked, (104, "pathway.p-1")) == [(103, "inbox"), (104, "case-load"), (104, "pathway.p-1")]
        assert await take(hub.stream(104), None) == []
        assert await take(hub.stream(None), None) == []
        assert await take(hub.stream(99), (104, RESET)) == [(104, RESET)], "before what this process knows"


async def test_a_gap_resets_every_page() -> None:
    source = FakeSource()
    async with running(source) as hub:
        taking = asyncio.create_task(take(hub.stream(100, ["inbox"]), (500, RESET)))
        await asyncio.sleep(0.01)
        source.queue.put_nowait(Opened(500))
        assert await taking == [(500, RESET)]
        assert await take(hub.stream(499), (500, RESET)) == [(500, RESET)]


async def test_a_slow_page_keeps_one_wake_per_topic() -> None:
    source = FakeSource()
    async with running(source) as hub:
        slow = hub.stream(None)
        first = asyncio.create_task(anext(slow))
        await asyncio.sleep(0.01)
        source.change(101)
        assert await first == (101, "inbox")
        for at in range(102, 152):
            source.change(at)
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)
        assert await take(slow, (151, "inbox")) == [(151, "inbox")]
        assert not hub._listeners, "a page that has gone is forgotten"


async def test_many_topics_are_forgotten_in_order_and_said_so() -> None:
    source = FakeSource()
    async with running(source, {"p": lambda key: [f"p.{key}"]}) as hub:
        for at in range(101, 1205):
            source.change(at, "p", str(at))
        await asyncio.sleep(0.1)
        assert len(hub._last) == 1000
        assert await take(hub.stream(150, ["p.1204"]), (1204, RESET)) == [(1204, RESET)]


async def test_events_are_thin_and_end_with_the_session() -> None:
    open_session = True

    async def told() -> AsyncIterator[tuple[int, str]]:
        yield 7, "inbox"
        await asyncio.sleep(60)

    async def still() -> bool:
        return open_session

    stream = _events(told(), still, check_every=0.03)
    assert (await anext(stream))["comment"] == "open"
    assert await anext(stream) == {"id": "7", "event": "polku:inbox", "data": ""}
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0.1)
    assert not waiting.done(), "a session that goes on is not disturbed"
    open_session = False
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_a_request_waits_for_its_own_news() -> None:
    source = FakeSource()
    async with running(source) as hub:
        waiting = asyncio.create_task(hub.changed(hub.position, ["pathway.p-1"], 60))
        await asyncio.sleep(0.01)
        source.change(101, "pathways", "p-2")
        await asyncio.sleep(0.01)
        assert not waiting.done()
        source.change(102, "pathways", "p-1")
        assert await asyncio.wait_for(waiting, 10) is True
        assert await hub.changed(101, ["pathway.p-1"], 5) is True, "what came before it waited is not missed"
        assert await hub.changed(102, ["pathway.p-1"], 0.05) is False, "time is up"


async def test_waiting_ends_when_the_process_stops() -> None:
    async with running(FakeSource()) as hub:
        waiting = [asyncio.create_task(hub.changed(hub.position, ["inbox"], 60)) for _ in range(3)]
        await asyncio.sleep(0.01)
        hub.end()
        assert await asyncio.wait_for(asyncio.gather(*waiting), 10) == [False] * 3
        assert await hub.changed(hub.position, ["inbox"], 60) is False
