"""CloudEvents 1.0 on Kafka, binary mode (cloudevents/spec, kafka-protocol-binding §3.2).

The record value is the data as JSON; every other attribute is a header `ce_<name>`, the media type is
`content-type`. Reading tolerates headers that are unknown, binary, null or repeated (the last one counts).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import ValidationError

from polku_events.envelope import Event
from polku_events.registry import EVENT_TYPES, schema_of

Reason = Literal["missing-header", "bad-header", "wrong-content-type", "not-json", "invalid-data", "no-body"]
Headers = Sequence[tuple[str, bytes | None]]
JSON = "application/json"


class Record(NamedTuple):
    """What Kafka keeps."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class UnknownType(Exception):
    """An event of a type that this version does not know: not an error, producers are deployed first."""


class Undecodable(Exception):
    """The record can never be read. `reason` is a code; nothing of the record's content is repeated."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


def encode(event: Event) -> Record:
    headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", event.id),
        ("ce_type", event.type),
        ("ce_source", event.source),
        ("ce_subject", event.subject),
        ("ce_time", event.time.isoformat()),
        ("ce_dataschema", schema_of(type(event.data))),
        ("ce_aggregateversion", str(event.version)),
        ("ce_correlationid", event.correlation_id),
        ("ce_partitionkey", event.partition_key),
        ("content-type", JSON),
    ]
    if event.causation_id is not None:
        headers.append(("ce_causationid", event.causation_id))
    if event.traceparent is not None:
        headers.append(("traceparent", event.traceparent))
    return Record(
        event.partition_key.encode(),
        event.data.model_dump_json().encode(),
        [(name, value.encode()) for name, value in headers],
    )


def decode(value: bytes | None, headers: Headers) -> Event:
    """Raises UnknownType, or Undecodable with one of the reasons above."""
    given = dict(headers)
    event_type = _text(given, "ce_type")
    kind = EVENT_TYPES.get(event_type)
    if kind is None:
        raise UnknownType(event_type)
    content_type = _text(given, "content-type")
    if content_type != JSON and content_type.partition(";")[0].strip().lower() != JSON:
        raise Undecodable("wrong-content-type")
    if not value:
        raise Undecodable("no-body")
    try:
        time = datetime.fromisoformat(_text(given, "ce_time"))
        version = int(_text(given, "ce_aggregateversion"))
        minor = int(_text(given, "ce_dataschema").rpartition(".")[2])
    except ValueError:
        raise Undecodable("bad-header") from None
    if time.tzinfo is None or version < 1:
        raise Undecodable("bad-header")
    try:
        data = kind.model_validate_json(value, strict=True)
    except ValidationError as error:
        is_json = error.errors(include_input=False, include_url=False)[0]["type"] != "json_invalid"
        raise Undecodable("invalid-data" if is_json else "not-json") from None
    return Event(
        _text(given, "ce_id"),
        event_type,
        _text(given, "ce_source"),
        _text(given, "ce_subject"),
        time,
        minor,
        version,
        _text(given, "ce_correlationid"),
        _optional(given, "ce_causationid"),
        _text(given, "ce_partitionkey"),
        _optional(given, "traceparent"),
        data,
    )


def _text(headers: dict[str, bytes | None], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise Undecodable("missing-header")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Undecodable("bad-header") from None


def _optional(headers: dict[str, bytes | None], name: str) -> str | None:
    value = headers.get(name)
    return value.decode(errors="replace") if value else None
