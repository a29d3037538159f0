"""`polku republish`: fills wiped topics again from the journal. Consumers take repeats for what they are."""

import asyncio
from collections.abc import Awaitable, Callable

from polku_events import encode, topic_of
from polku_runtime.journal import Journal
from polku_runtime.publisher import Publisher
from polku_runtime.settings import Settings

WINDOW = 1000


async def republish(
    settings: Settings,
    journal: Journal,
    publisher: Publisher,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Sends every event of the journal to its topic, in order; answers how many.

    progress: called with the number sent so far, after every acknowledged window.
    """
    sent = 0
    waiting: list[Awaitable[object]] = []
    async for event in journal.replay():
        waiting.append(await publisher.send(settings.topic(topic_of(event.type)), encode(event)))
        sent += 1
        if len(waiting) == WINDOW:
            await asyncio.gather(*waiting)
            waiting.clear()
            progress(sent)
    await asyncio.gather(*waiting)
    progress(sent)
    return sent
