"""Events for the runtime's own tests."""

from datetime import UTC, date, datetime

from polku_events import Event
from polku_events.pathway import PathwayStageChanged


def stage_changed(version: int, person: str = "p1", pathway: str = "w1") -> Event:
    data = PathwayStageChanged(
        pathway_id=pathway,
        person_id=person,
        programme="kainuu",
        from_stage=f"s{version - 1}",
        to_stage=f"s{version}",
        on=date(2026, 3, 2),
    )
    return Event(
        id=f"0197-{person}-{pathway}-{version:06}",
        type=data.TYPE,
        source="/polku/pathway",
        subject=pathway,
        time=datetime(2026, 3, 2, 8, tzinfo=UTC),
        minor=data.MINOR,
        version=version,
        correlation_id="c1",
        causation_id=None,
        partition_key=person,
        traceparent=None,
        data=data,
    )
