"""CloudEvents 1.0 on Kafka, binary mode (cloudevents/spec, kafka-protocol-binding §3.2).

The record value is the data as JSON; every other attribute is a header `ce_<name>`, the media type is
`content-type`. Reading tolerates headers that are unknown, binary, null or repeated (the last one that has a
value counts).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, NamedTuple

from pydantic import ValidationError

from polku_events.base import in_utc
from polku_events.envelope import Event
from polku_events.registry import EVENT_TYPES, schema_family, schema_of

Reason = Literal["missing-header", "bad-header", "wrong-content-type", "not-json", "invalid-data", "no-body"]
Headers = Sequence[tuple[str, bytes | None]]
JSON = b"application/json"

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII).fullmatch


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
        ("content-type", JSON.decode()),
    ]
    if event.causation_id is not None:
        headers.append(("ce_causationid", event.causation_id))
    if event.traceparent is not None:
        headers.append(("traceparent", event.traceparent))
    if event.test:
        headers.append(("ce_test", "true"))
    return Record(
        event.partition_key.encode(),
        event.data.model_dump_json().encode(),
        [(name, value.encode()) for name, value in headers],
    )


def decode(value: bytes | None, headers: Headers) -> Event:
    """Raises UnknownType, or Undecodable with one of the reasons above."""
    given = dict(headers)
    if None in given.values():
        # A null header is as good as none, also where it repeats one that has a value.
        given = {name: held for name, held in headers if held is not None}
    content_type = given.get("content-type") or b""
    if content_type[:23].lower() == b"application/cloudevents":
        # Structured mode (§3.1.1): the attributes are in the body, so nothing can be said of the headers.
        raise Undecodable("wrong-content-type")
    event_type = _text(given, "ce_type")
    kind = EVENT_TYPES.get(event_type)
    if kind is None:
        raise UnknownType(event_type)
    if content_type != JSON and _media_type(_text(given, "content-type")) != JSON.decode():
        raise Undecodable("wrong-content-type")
    if given.get("ce_specversion") != b"1.0" and _text(given, "ce_specversion"):
        raise Undecodable("bad-header")
    if not value:
        raise Undecodable("no-body")
    time = _time(_text(given, "ce_time"))
    version = _number(_text(given, "ce_aggregateversion"))
    if version < 1:
        raise Undecodable("bad-header")
    minor = _minor(event_type, _text(given, "ce_dataschema"))
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
        given.get("ce_test") == b"true",
    )


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


@lru_cache(maxsize=256)
def _minor(event_type: str, schema: str) -> int:
    """The minor version in `ce_dataschema`, which must be of the event's own type. Few values ever occur."""
    family = schema_family(event_type)
    if not schema.startswith(family):
        raise Undecodable("bad-header")
    return _number(schema.removeprefix(family))


def _time(text: str) -> datetime:
    """RFC 3339 → UTC; fromisoformat alone would also take weeks, bare hours and naive times."""
    if not _RFC_3339(text):
        raise Undecodable("bad-header")
    try:
        time = datetime.fromisoformat(text)
        return time if time.tzinfo is UTC else in_utc(time)
    except ValueError:
        raise Undecodable("bad-header") from None


def _number(text: str) -> int:
    """Digits alone; at most 18 of them, which is what a signed 64-bit number surely holds."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Undecodable("bad-header")
    return int(text)


def _text(headers: Mapping[str, bytes | None], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise Undecodable("missing-header")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Undecodable("bad-header") from None


def _optional(headers: Mapping[str, bytes | None], name: str) -> str | None:
    """What nobody needs is left out when it cannot be read."""
    value = headers.get(name)
    try:
        return value.decode() if value else None
    except UnicodeDecodeError:
        return None
