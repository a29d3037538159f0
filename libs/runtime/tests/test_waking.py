"""What ends a wait, and that the end of the whole task is never mistaken for it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import pytest

from polku_runtime.waking import pause, woken_within


async def test_the_event_or_the_time() -> None:
    event = asyncio.Event()
    assert not await woken_within(event, 0.01)
    event.set()
    assert await woken_within(event, None)


@pytest.mark.parametrize("seconds", [None, 60.0])
async def test_a_cancellation_that_comes_with_the_waking_counts(seconds: float | None) -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(woken_within(event, seconds))
    await asyncio.sleep(0.01)
    event.set()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize("wait", [pause, partial(woken_within, asyncio.Event())])
async def test_a_cancellation_that_somebody_kept_to_himself_counts(wait: Callable[[float], Awaitable[object]]) -> None:
    async def forgetful() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await wait(60)

    task = asyncio.create_task(forgetful())
    await asyncio.sleep(0.01)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=10)
    assert done
    assert task.cancelled()
