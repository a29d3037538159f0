"""A broker and a journal in memory. They pass the same contract suite as the real ones (tests/test_ports.py)."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Sequence

from polku_events import Event, Record
from polku_runtime.journal import restored
from polku_runtime.mongo import Document


class FakePublisher:
    """Keeps records per topic in the order sent. `fail_next` makes that many sends fail as a broker that is gone."""

    def __init__(self) -> None:
        self.topics: dict[str, list[Record]] = defaultdict(list)
        self.fail_next = 0
        self.resets = 0

    async def send(self, topic: str, record: Record) -> Awaitable[object]:
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if self.fail_next:
            self.fail_next -= 1
            done.set_exception(ConnectionError("no broker"))
        else:
            self.topics[topic].append(record)
            done.set_result(None)
        return done

    async def reset(self) -> None:
        self.resets += 1

    async def stop(self) -> None:
        return


class FakeJournal:
    """Keeps events by id."""

    def __init__(self) -> None:
        self.rows: dict[str, Document] = {}

    async def keep(self, events: Sequence[Document]) -> None:
        for event in events:
            self.rows.setdefault(event["id"], event)

    async def replay(self) -> AsyncIterator[Event]:
        for event_id in sorted(self.rows):
            yield restored(self.rows[event_id])
