"""Waiting in loops that go on until they are cancelled: for an event, or for a time.

A task is asked to end once, and a library on the way may keep that to itself: `asyncio.wait_for` before Python 3.12
(so PyMongo, which waits for every answer by it) forgets a cancellation that comes together with the result. A loop
that waits here hears of it all the same.
"""

import asyncio


async def woken_within(event: asyncio.Event, seconds: float | None) -> bool:
    """True when the event was set, False when so many seconds passed first (None: it waits for ever).

    Raises CancelledError also when the task was cancelled before and nobody told it.
    """
    heed_cancellation()
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def pause(seconds: float) -> None:
    """Sleeps. Raises CancelledError also when the task was cancelled before and nobody told it."""
    heed_cancellation()
    await asyncio.sleep(seconds)


def heed_cancellation() -> None:
    """Raises CancelledError when this task was cancelled and nobody told it; for loops that only ask a library."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
