"""For every event type: whatever its schema allows is read, and survives the way through Kafka; nothing else breaks."""

import json
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from polku_events import EVENT_TYPES, Event, EventData, Undecodable, UnknownType, decode, encode, files, service_of

KINDS = list(EVENT_TYPES.values())
SAMPLES = list(files.samples())

offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
inside = st.datetimes(timezones=st.just(UTC)).filter(lambda instant: 1 < instant.year < 9999)
instants = st.builds(lambda instant, offset: instant.astimezone(offset).isoformat(), inside, offsets)
text = st.text(min_size=1, max_size=40)


def values(schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What one JSON Schema allows; optional fields are there or not."""
    if "$ref" in schema:
        return values(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    if "anyOf" in schema:
        return st.one_of([values(variant, root) for variant in schema["anyOf"]])
    match schema["type"]:
        case "object":
            fields = {name: values(field, root) for name, field in schema["properties"].items()}
            needed = {name: fields.pop(name) for name in schema["required"]}
            return st.fixed_dictionaries(needed, optional=fields)
        case "array":
            return st.lists(values(schema["items"], root), max_size=3)
        case "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    return strings(schema)


def strings(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    match schema:
        case {"format": "date"}:
            return st.dates().map(lambda day: day.isoformat())
        case {"format": "date-time"}:
            return instants
        case {"pattern": pattern}:
            bounded = st.from_regex(pattern.strip("^$"), fullmatch=True)
            return bounded.filter(lambda made: len(made) <= schema.get("maxLength", 1000))
    return st.text(min_size=schema.get("minLength", 0), max_size=schema["maxLength"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=40)
@given(drawn=st.data())
def test_whatever_the_schema_allows_survives_the_way(kind: type[EventData], drawn: st.DataObject) -> None:
    schema = files.schema(kind)
    data = kind.model_validate_json(json.dumps(drawn.draw(values(schema, schema))), strict=True)
    made = Event(
        id=drawn.draw(text),
        type=kind.TYPE,
        source=f"/polku/{service_of(kind.TYPE)}",
        subject=drawn.draw(text),
        time=drawn.draw(st.datetimes(timezones=st.just(UTC))),
        minor=kind.MINOR,
        version=drawn.draw(st.integers(1, 10**18 - 1)),
        correlation_id=drawn.draw(text),
        causation_id=drawn.draw(st.none() | text),
        partition_key=drawn.draw(text),
        traceparent=drawn.draw(st.none() | text),
        data=data,
    )
    record = encode(made)
    assert decode(record.value, record.headers) == made
    assert record.key == made.partition_key.encode()
    Draft202012Validator(schema).validate(json.loads(record.value))


header_values = st.none() | st.binary(max_size=40) | st.sampled_from([b"1", b"1.0", b"2026-03-02T08:00:00Z"])


@given(
    sample=st.sampled_from(SAMPLES),
    swapped=st.dictionaries(st.sampled_from([name for name, _ in SAMPLES[0].headers]), header_values, max_size=3),
    value=st.none() | st.binary(max_size=60) | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    ).map(lambda made: json.dumps(made).encode()),
)  # fmt: skip
def test_a_foreign_record_never_fails_otherwise_than_promised(
    sample: files.Sample, swapped: dict[str, bytes | None], value: bytes | None
) -> None:
    headers = [(name, swapped.get(name, held)) for name, held in sample.headers]
    for body in (value, sample.value):
        try:
            read = decode(body, headers)
        except (Undecodable, UnknownType):
            continue
        assert read.version >= 1
        assert read.minor >= 0
        assert read.time.tzinfo is UTC
