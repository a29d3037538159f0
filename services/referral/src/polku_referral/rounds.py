"""Rounds: what arrives while one round is worked on is the next round (docs/decisions/0011)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

import pymongo

from polku_runtime.trouble import is_infrastructure

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Rounds(Generic[Item, Answer]):
    """work: answers each item of a round, in order. largest: items in one round. seconds: MongoDB's time for one."""

    def __init__(
        self, work: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]], *, largest: int, seconds: float
    ) -> None:
        self.work = work
        self.largest = largest
        self.seconds = seconds
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._working: asyncio.Task[None] | None = None

    async def join(self, item: Item) -> Answer:
        """Waits for the round that the item falls into. Raises what that round raised."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._working is None or self._working.done():
            # In a context of its own: the deadline of who came first must not become that of all who follow.
            self._working = asyncio.create_task(self._work(), context=Context())
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            now, self._waiting = self._waiting[: self.largest], self._waiting[self.largest :]
            try:
                with pymongo.timeout(self.seconds):
                    answers = await self.work([item for item, _ in now])
            except Exception as error:  # noqa: BLE001 - it is handed to everybody who waits for this round
                if is_infrastructure(error):
                    # Whoever came meanwhile has waited as long, and would wait for the same again.
                    now, self._waiting = now + self._waiting, []
                for _, answer in now:
                    if not answer.done():
                        answer.set_exception(error)
            else:
                for (_, answer), result in zip(now, answers, strict=True):
                    if not answer.done():  # the caller may have hung up
                        answer.set_result(result)


async def together(work: Callable[[Item], Awaitable[Answer]], items: Sequence[Item], at_once: int) -> list[Answer]:
    """The answer to each item, in order, so many worked on at the same time. Raises what the first to fail raised."""
    gate = asyncio.Semaphore(at_once)

    async def one(item: Item) -> Answer:
        async with gate:
            return await work(item)

    return await asyncio.gather(*(one(item) for item in items))
