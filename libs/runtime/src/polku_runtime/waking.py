"""Waiting for an event, or for a time, whichever comes first."""

import asyncio


async def woken_within(event: asyncio.Event, seconds: float | None) -> bool:
    """True when the event was set, False when so many seconds passed first (None: it waits for ever).

    Not by `asyncio.wait_for`: before Python 3.12 that forgets a cancellation which comes together with the waking,
    and a loop that ends by cancellation would never end.
    """
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
