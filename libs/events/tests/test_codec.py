"""CloudEvents on Kafka, binary mode: what is written can be read, and what is foreign does not break the reader."""

import json
from dataclasses import replace
from datetime import UTC

import pytest
from pydantic import ValidationError

from polku_events import Undecodable, UnknownType, decode, encode, files, schema_of
from polku_events.pathway import PathwayOpened

SAMPLES = list(files.samples())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_sample_is_read_and_written_again_the_same(sample: files.Sample) -> None:
    read = decode(sample.value, sample.headers)
    again = encode(read)
    assert decode(again.value, again.headers) == replace(read, minor=type(read.data).MINOR)
    assert again.key == read.partition_key.encode()
    # Whoever writes an event again does so by the schema that it knows itself.
    present = {"ce_dataschema": schema_of(type(read.data)).encode()}
    assert dict(again.headers) == dict(sample.headers) | present


def sample() -> files.Sample:
    return next(sample for sample in SAMPLES if sample.event_type == "polku.pathway.opened.v1")


def test_headers_follow_the_kafka_binding() -> None:
    headers = dict(encode(decode(sample().value, sample().headers)).headers)
    assert headers["ce_specversion"] == b"1.0"
    assert headers["content-type"] == b"application/json"
    assert headers["ce_dataschema"] == b"urn:polku:schema:pathway.opened:1.0"
    names = {name for name in headers if name.startswith("ce_")}
    assert all(name.removeprefix("ce_").isalnum() and name.islower() for name in names)


def test_unknown_binary_null_and_repeated_headers_do_no_harm() -> None:
    before = [("x-else", b"\xff\xfe"), ("x-null", None), ("ce_future", b"1"), ("ce_id", b"first")]
    after = [("ce_id", None), ("ce_type", None)]
    read = decode(sample().value, [*before, *sample().headers, *after])
    assert read == decode(sample().value, sample().headers)


@pytest.mark.parametrize("name", ["ce_causationid", "traceparent"])
@pytest.mark.parametrize("value", [None, b"", b"\xff"])
def test_what_nobody_needs_is_left_out_when_it_cannot_be_read(name: str, value: bytes | None) -> None:
    read = decode(sample().value, changed(name, value))
    assert (read.causation_id if name == "ce_causationid" else read.traceparent) is None


def changed(name: str, value: bytes | None) -> list[tuple[str, bytes | None]]:
    """The sample's headers with one of them changed."""
    assert name in dict(sample().headers)
    return [(n, value if n == name else v) for n, v in sample().headers]


def lacking(name: str) -> list[tuple[str, bytes | None]]:
    """The sample's headers without one of them."""
    return [(n, v) for n, v in sample().headers if n != name]


NEEDED = sorted({name for name, _ in sample().headers} - {"ce_causationid", "traceparent"})


@pytest.mark.parametrize("name", NEEDED)
def test_a_needed_header_is_missed_when_it_is_absent_null_or_empty(name: str) -> None:
    for headers in (lacking(name), changed(name, None), changed(name, b"")):
        with pytest.raises(Undecodable) as error:
            decode(sample().value, headers)
        assert error.value.reason == "missing-header"


@pytest.mark.parametrize("name", [name for name in NEEDED if name not in ("ce_type", "content-type")])
def test_a_needed_header_must_be_text(name: str) -> None:
    with pytest.raises(Undecodable) as error:
        decode(sample().value, changed(name, b"\xff\xfe"))
    assert error.value.reason == "bad-header"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ce_specversion", b"0.3", "bad-header"),
        ("ce_type", b"\xff", "bad-header"),
        ("ce_time", b"yesterday", "bad-header"),
        ("ce_time", b"2026-03-02T08:00:00", "bad-header"),
        ("ce_aggregateversion", b"two", "bad-header"),
        ("ce_time", b"2026-W10-1T08:00:00+00:00", "bad-header"),
        ("ce_time", b"2026-03-02T08+00:00", "bad-header"),
        ("ce_time", b"2026-02-30T08:00:00Z", "bad-header"),
        ("ce_time", b"0001-01-01T00:00:00+14:00", "bad-header"),
        ("ce_aggregateversion", b"0", "bad-header"),
        ("ce_aggregateversion", b"-1", "bad-header"),
        ("ce_aggregateversion", b"1_0", "bad-header"),
        ("ce_aggregateversion", b" 1", "bad-header"),
        ("ce_aggregateversion", "٣".encode(), "bad-header"),
        ("ce_aggregateversion", b"9" * 19, "bad-header"),
        ("ce_aggregateversion", b"9" * 5000, "bad-header"),
        ("ce_dataschema", b"urn:else", "bad-header"),
        ("ce_dataschema", b"0", "bad-header"),
        ("ce_dataschema", b"urn:polku:schema:pathway.closed:1.0", "bad-header"),
        ("ce_dataschema", b"urn:polku:schema:pathway.opened:2.0", "bad-header"),
        ("ce_dataschema", b"urn:polku:schema:pathway.opened:1.", "bad-header"),
        ("ce_dataschema", b"urn:polku:schema:pathway.opened:1.-1", "bad-header"),
        ("content-type", b"application/avro", "wrong-content-type"),
        ("content-type", b"application/jsonx", "wrong-content-type"),
        ("content-type", b"\xff", "bad-header"),
    ],
)
def test_a_broken_header_has_its_reason(name: str, value: bytes | None, reason: str) -> None:
    with pytest.raises(Undecodable) as error:
        decode(sample().value, changed(name, value))
    assert error.value.reason == reason


@pytest.mark.parametrize(
    "content_type",
    [b"application/cloudevents+json", b"application/cloudevents+json; charset=UTF-8", b"Application/CloudEvents+avro"],
)
def test_a_record_in_structured_mode_is_told_by_its_content_type_alone(content_type: bytes) -> None:
    whole = b'{"specversion": "1.0", "type": "polku.pathway.opened.v1"}'
    for headers in ([("content-type", content_type)], changed("content-type", content_type)):
        with pytest.raises(Undecodable) as error:
            decode(whole, headers)
        assert error.value.reason == "wrong-content-type"


@pytest.mark.parametrize(
    "content_type", [b"application/json; charset=utf-8", b"Application/JSON", b"application/json;"]
)
def test_the_media_type_may_be_written_otherwise(content_type: bytes) -> None:
    assert decode(sample().value, changed("content-type", content_type)) == decode(sample().value, sample().headers)


def test_times_are_read_as_utc() -> None:
    read = decode(sample().value, changed("ce_time", b"2026-03-02T10:00:00.5+02:00"))
    assert read.time.isoformat() == "2026-03-02T08:00:00.500000+00:00"
    assert decode(sample().value, changed("ce_time", b"2026-03-02T08:00:00Z")).time.tzinfo is UTC


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "no-body"),
        (b"", "no-body"),
        (b"{", "not-json"),
        (b"[]", "invalid-data"),
        (b"{}", "invalid-data"),
        (b"\xff", "not-json"),
        (b"NaN", "invalid-data"),
        (b"\xef\xbb\xbf{}", "not-json"),
        (b"[" * 100_000, "not-json"),
        (b" ", "not-json"),
    ],
)
def test_a_broken_body_has_its_reason_and_repeats_nothing(value: bytes | None, reason: str) -> None:
    with pytest.raises(Undecodable) as error:
        decode(value, sample().headers)
    assert (error.value.reason, str(error.value)) == (reason, reason)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("pathway.opened.v1/0/full", "programme", 7),
        ("pathway.opened.v1/0/full", "programme", "Kainuu"),
        ("pathway.opened.v1/0/full", "opened_on", "2026-03-02T00:00:00"),
        ("pathway.opened.v1/0/full", "opened_on", 20514),
        ("pathway.opened.v1/0/full", "person_id", ""),
        ("attendance.recorded.v1/0/full", "minutes", "30"),
        ("attendance.recorded.v1/0/full", "minutes", True),
        ("attendance.recorded.v1/0/full", "minutes", 1441),
        ("session.planned.v1/0/full", "group", 1),
        ("session.planned.v1/0/full", "starts_at", "2026-03-02T08:00:00"),
        ("session.planned.v1/0/full", "starts_at", 1772438400),
        ("session.planned.v1/0/full", "starts_at", "0001-01-01T00:00:00+14:00"),
    ],
)
def test_types_are_strict(name: str, field: str, value: object) -> None:
    named = next(sample for sample in SAMPLES if sample.name == name)
    body = json.dumps(json.loads(named.value) | {field: value}).encode()
    with pytest.raises(Undecodable) as error:
        decode(body, named.headers)
    assert error.value.reason == "invalid-data"


def test_an_error_in_a_model_does_not_repeat_what_was_given() -> None:
    with pytest.raises(ValidationError) as error:
        PathwayOpened.model_validate({"person_id": ["Aino Example"], "programme": "Aino Example"})
    assert "Aino" not in str(error.value)


def test_a_newer_minor_is_read_through_the_fields_that_are_known() -> None:
    body = sample().value[:-1] + b', "added_later": true}'
    headers = changed("ce_dataschema", b"urn:polku:schema:pathway.opened:1.7")
    read = decode(body, headers)
    assert read.minor == 7
    assert read.data == decode(sample().value, sample().headers).data


def test_an_unknown_type_is_said_to_be_unknown() -> None:
    with pytest.raises(UnknownType):
        decode(sample().value, changed("ce_type", b"polku.pathway.opened.v2"))
