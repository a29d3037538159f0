"""OpenTelemetry: one trace from the POST through outbox, relay, Kafka and fold to the counter.

Attributes are codes and ids of events; never a record key (it is a person), a body or a query.
Names follow the messaging conventions (opentelemetry.io, semantic conventions for Kafka).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from polku_events import Event
from polku_runtime.outcomes import Received
from polku_runtime.trouble import name_of

_PROPAGATOR = TraceContextTextMapPropagator()
_group: ContextVar[str] = ContextVar("polku_consumer_group", default="")


def configure(service: str, otlp_endpoint: str) -> TracerProvider | None:
    """Sends this process's spans to an OTLP collector; without an endpoint no span is made at all."""
    if not otlp_endpoint:
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": f"polku-{service}"}))
    exporter = OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


def tracer() -> trace.Tracer:
    return trace.get_tracer("polku")


def is_tracing() -> bool:
    """False while no provider is configured: then the hot paths make no spans."""
    return isinstance(trace.get_tracer_provider(), TracerProvider)


@contextmanager
def request(service: str, method: str, route: str, headers: dict[str, str]) -> Iterator[trace.Span]:
    """The server span of one HTTP request. `route` is the template, never the path: a path has ids.

    Of what the caller says of its own trace only the ids are taken: `tracestate` is a stranger's text, and the
    library writes one that it cannot read into the log.
    """
    attributes = {"http.request.method": method, "http.route": route, "polku.service": service}
    with _span(f"{method} {route}", SpanKind.SERVER, attributes, _context(headers.get("traceparent"))) as span:
        yield span


@contextmanager
def publishing(event: Event, topic: str) -> Iterator[str | None]:
    """The producer span, child of the span in which the event was made; yields the traceparent to send."""
    if not is_tracing():
        yield event.traceparent
        return
    attributes = _attributes(event, topic, "send")
    with _span(f"send {topic}", SpanKind.PRODUCER, attributes, _context(event.traceparent)):
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        yield carrier.get("traceparent", event.traceparent)


@contextmanager
def consuming(group: str) -> Iterator[None]:
    """Spans of records made inside say which consumer group works on them."""
    token = _group.set(group)
    try:
        yield
    finally:
        _group.reset(token)


@contextmanager
def processing(received: Received) -> Iterator[None]:
    """The consumer span of one record, child of the producer's."""
    if not is_tracing():
        yield
        return
    event = received.event
    attributes: dict[str, str | int] = {
        **_attributes(event, received.topic, "process"),
        "messaging.consumer.group.name": _group.get(),
        "messaging.destination.partition.id": str(received.partition),
        "messaging.kafka.offset": received.offset,
    }
    with _span(f"process {received.topic}", SpanKind.CONSUMER, attributes, _context(event.traceparent)):
        yield


@contextmanager
def processing_batch(batch: Sequence[Received], name: str) -> Iterator[None]:
    """One span for a batch with a link to every producer, and under each producer a short span of its own.

    The short spans keep a referral's trace whole from the request to the counter; the links let a slow batch
    be found from any of its events.
    """
    if not is_tracing():
        yield
        return
    links = [
        Link(trace.get_current_span(_context(received.event.traceparent)).get_span_context()) for received in batch
    ]
    attributes: dict[str, str | int] = {
        "messaging.consumer.group.name": _group.get(),
        "messaging.batch.message_count": len(batch),
    }
    with _span(name, SpanKind.CONSUMER, attributes, links=links):
        yield
    for received in batch:
        with processing(received):
            pass


@contextmanager
def _span(
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, str | int],
    context: Context | None = None,
    links: Sequence[Link] = (),
) -> Iterator[trace.Span]:
    """A span that says of an error its class alone: the library's own way writes the message, which carries data."""
    with tracer().start_as_current_span(
        name,
        context,
        kind=kind,
        attributes=attributes,
        links=links,
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield span
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, name_of(error)))
            raise


def _context(traceparent: str | None) -> Context:
    return _PROPAGATOR.extract({"traceparent": traceparent} if traceparent else {})


def _attributes(event: Event, topic: str, operation: str) -> dict[str, str]:
    return {
        "messaging.system": "kafka",
        "messaging.destination.name": topic,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.message.id": event.id,
        "polku.event.type": event.type,
    }
