"""A tiny aggregate for the runtime's own tests: it is opened and its stage changes; events are real ones."""

from datetime import date

from polku_events import Aggregate, EventData
from polku_events.pathway import PathwayClosed, PathwayStageChanged


class Counter(Aggregate):
    person_id: str
    steps: int = 0


def step(counter: Counter, times: int = 1) -> tuple[Counter, list[EventData]]:
    events: list[EventData] = [
        PathwayStageChanged(
            pathway_id=counter.id,
            person_id=counter.person_id,
            programme="kainuu",
            from_stage=f"s{counter.steps + n}",
            to_stage=f"s{counter.steps + n + 1}",
            on=date(2026, 3, 2),
        )
        for n in range(times)
    ]
    after = counter.model_copy(update={"steps": counter.steps + times, "version": counter.version + times})
    return after, events


def close(counter: Counter) -> tuple[Counter, list[EventData]]:
    closed = PathwayClosed(
        pathway_id=counter.id,
        person_id=counter.person_id,
        programme="kainuu",
        referral_id="r",
        closed_on=date(2026, 3, 2),
        outcome="work",
    )
    return counter.model_copy(update={"version": counter.version + 1}), [closed]
