"""A clock that moves when told to, ids that count, randomness from a seed."""

from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from uuid import UUID

from polku_runtime.effects import Effects

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class Clock:
    """The present instant of a test."""

    def __init__(self, start: datetime = START) -> None:
        self.now = start

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        """`clock.advance(days=28, minutes=1)`"""
        self.now += timedelta(**by)


def fixed_effects(clock: Clock | None = None, seed: int = 0) -> Effects:
    """Effects that are the same in every run; ids are valid UUIDs of version 7 and grow."""
    numbers = count(1)

    def new_id() -> str:
        return str(UUID(int=(0x0197 << 112) | (0x7000 << 64) | (0x8 << 60) | (seed << 40) | next(numbers)))

    return Effects(now=clock or Clock(), new_id=new_id, random=Random(seed))
