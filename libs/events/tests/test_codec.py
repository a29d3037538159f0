"""CloudEvents on Kafka, binary mode: what is written can be read, and what is foreign does not break the reader."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polku_events import Undecodable, UnknownType, decode, encode, files

SAMPLES = list(files.samples())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_sample_is_read_and_written_again_the_same(sample: files.Sample) -> None:
    read = decode(sample.value, sample.headers)
    again = encode(read)
    assert decode(again.value, again.headers) == read
    assert again.key == read.partition_key.encode()
    assert dict(again.headers) == dict(sample.headers)


text = st.text(min_size=1, max_size=40)


@given(
    sample=st.sampled_from(SAMPLES),
    event_id=text,
    subject=text,
    time=st.datetimes(timezones=st.just(UTC)),
    version=st.integers(1, 2**40),
    causation=st.none() | text,
    key=text,
)
def test_any_envelope_survives_the_way(
    sample: files.Sample,
    event_id: str,
    subject: str,
    time: datetime,
    version: int,
    causation: str | None,
    key: str,
) -> None:
    made = replace(
        decode(sample.value, sample.headers),
        id=event_id,
        subject=subject,
        time=time,
        version=version,
        causation_id=causation,
        partition_key=key,
    )
    record = encode(made)
    assert decode(record.value, record.headers) == made


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
    noise = [("x-else", b"\xff\xfe"), ("x-null", None), ("ce_future", b"1"), ("ce_id", b"first")]
    read = decode(sample().value, [*noise, *sample().headers])
    assert read == decode(sample().value, sample().headers)


def changed(name: str, value: bytes | None) -> list[tuple[str, bytes | None]]:
    return [(n, value if n == name else v) for n, v in sample().headers if not (n == name and value == b"-")]


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ce_id", b"-", "missing-header"),
        ("ce_id", None, "missing-header"),
        ("ce_id", b"\xff", "bad-header"),
        ("ce_time", b"yesterday", "bad-header"),
        ("ce_time", b"2026-03-02T08:00:00", "bad-header"),
        ("ce_aggregateversion", b"two", "bad-header"),
        ("ce_aggregateversion", b"0", "bad-header"),
        ("ce_dataschema", b"urn:else", "bad-header"),
        ("content-type", b"application/cloudevents+json", "wrong-content-type"),
        ("content-type", b"application/avro", "wrong-content-type"),
        ("content-type", b"-", "missing-header"),
        ("ce_type", b"-", "missing-header"),
    ],
)
def test_a_broken_header_has_its_reason(name: str, value: bytes | None, reason: str) -> None:
    with pytest.raises(Undecodable) as error:
        decode(sample().value, changed(name, value))
    assert error.value.reason == reason


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
    ],
)
def test_a_broken_body_has_its_reason_and_repeats_nothing(value: bytes | None, reason: str) -> None:
    with pytest.raises(Undecodable) as error:
        decode(value, sample().headers)
    assert (error.value.reason, str(error.value)) == (reason, reason)


def test_types_are_strict() -> None:
    body = sample().value.replace(b'"kainuu"', b"7")
    with pytest.raises(Undecodable):
        decode(body, sample().headers)


def test_a_newer_minor_is_read_through_the_fields_that_are_known() -> None:
    body = sample().value[:-1] + b', "added_later": true}'
    headers = changed("ce_dataschema", b"urn:polku:schema:pathway.opened:1.7")
    read = decode(body, headers)
    assert read.minor == 7
    assert read.data == decode(sample().value, sample().headers).data


def test_an_unknown_type_is_said_to_be_unknown() -> None:
    with pytest.raises(UnknownType):
        decode(sample().value, changed("ce_type", b"polku.pathway.opened.v2"))
