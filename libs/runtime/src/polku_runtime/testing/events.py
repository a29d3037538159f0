"""Events as another service would have sent them."""

from polku_events import Event, EventData, service_of
from polku_runtime.testing.effects import START


def event(data: EventData, version: int = 1) -> Event:
    """The envelope of `data` as its aggregate's event of that number; the same number is the same event."""
    return Event(
        id=f"event-{version}",
        type=data.TYPE,
        source=f"/polku/{service_of(data.TYPE)}",
        subject="subject",
        time=START,
        minor=0,
        version=version,
        correlation_id="correlation",
        causation_id=None,
        partition_key=data.partition_key,
        traceparent=None,
        data=data,
    )
