"""What the present piece of work comes from: correlation, cause and trace, carried by context."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()


@dataclass(frozen=True)
class Cause:
    """correlation_id ties everything that one request started; causation_id is the event right before."""

    correlation_id: str
    causation_id: str | None = None


_present: ContextVar[Cause | None] = ContextVar("polku_cause", default=None)


def present() -> Cause | None:
    return _present.get()


@contextmanager
def because_of(cause: Cause) -> Iterator[None]:
    """Events made inside say that they come from `cause`."""
    token = _present.set(cause)
    try:
        yield
    finally:
        _present.reset(token)


def traceparent() -> str | None:
    """The present span as a W3C `traceparent`, to be stored with an event; None outside a trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")
