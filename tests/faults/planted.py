"""What the planted bugs are planted in: a thing with steps, a process that is killed, a property that holds or not."""

from collections.abc import Awaitable, Callable
from datetime import date

from polku_events import Aggregate, Event, EventData
from polku_events.pathway import PathwayStageChanged
from polku_runtime.testing import fixed_effects

DAY = date(2026, 3, 2)
Property = Callable[[], Awaitable[None]]


class Killed(BaseException):
    """The process ends here; nothing after it runs, as with kill -9."""


class Thing(Aggregate):
    """steps is what a lost update would lose."""

    person_id: str = "p1"
    steps: int = 0


def step(thing: Thing) -> tuple[Thing, list[EventData]]:
    changed = PathwayStageChanged(
        pathway_id=thing.id,
        person_id=thing.person_id,
        programme="kainuu",
        from_stage=f"s{thing.steps}",
        to_stage=f"s{thing.steps + 1}",
        on=DAY,
    )
    return thing.model_copy(update={"steps": thing.steps + 1, "version": thing.version + 1}), [changed]


async def holds(guarded: Property) -> bool:
    try:
        await guarded()
    except AssertionError:
        return False
    return True


def happened(number: int) -> Event:
    _, [data] = step(Thing(id="w1", version=number - 1, steps=number - 1))
    return Event(
        id=f"event-{number:04}",
        type=data.TYPE,
        source="/polku/pathway",
        subject="w1",
        time=fixed_effects().now(),
        minor=data.MINOR,
        version=number,
        correlation_id="c1",
        causation_id=None,
        partition_key="p1",
        traceparent=None,
        data=data,
    )
