"""Plain forms: fields as they were typed, days as people write them."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from polku_web.forms import Fields, iso_day, said, seen_version, typed


def request(body: bytes, content_type: str = "application/x-www-form-urlencoded") -> Request:
    sent = False

    async def receive() -> dict[str, object]:
        nonlocal sent
        assert not sent, "the body was asked for twice"
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", content_type.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": headers}, receive)


def test_nothing_known_of_a_field_is_empty_text_and_leaves_no_trace() -> None:
    fields = Fields(day="5.3.2026")
    assert (fields["day"], fields["place"]) == ("5.3.2026", "")
    assert dict(fields) == {"day": "5.3.2026"}
    assert "place" not in fields


async def test_fields_come_without_spaces_around_and_without_the_token() -> None:
    body = urlencode({"csrf": "secret", "place": "  Vimpelin halli \n", "note": "", "version": "3"}).encode()
    assert await typed(request(body)) == {"place": "Vimpelin halli", "note": "", "version": "3"}


async def test_of_a_field_sent_twice_the_last_counts() -> None:
    assert await typed(request(b"day=1&day=2")) == {"day": "2"}


async def test_files_are_nothing_to_us() -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="scan"; filename="a.txt"\r\n\r\nhello\r\n'
        b'--x\r\nContent-Disposition: form-data; name="note"\r\n\r\n hei \r\n--x--\r\n'
    )
    assert await typed(request(body, "multipart/form-data; boundary=x")) == {"note": "hei"}


async def test_the_form_can_be_read_again() -> None:
    one = request(b"day=1")
    assert await typed(one) == await typed(one) == {"day": "1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.3.2026", "2026-03-05"),
        ("05.03.2026", "2026-03-05"),
        ("31.12.2026", "2026-12-31"),
        ("2026-03-05", "2026-03-05"),
        ("99.99.2026", "2026-99-99"),
        ("5.3.26", "5.3.26"),
        ("5.3.2026 klo 9", "5.3.2026 klo 9"),
        ("٥.٣.٢٠٢٦", "٥.٣.٢٠٢٦"),
        ("", ""),
    ],
)
def test_days_as_people_write_them(text: str, expected: str) -> None:
    assert iso_day(text) == expected


@given(st.dates())
def test_every_day_reads_the_same_in_both_ways_of_writing(day: object) -> None:
    assert iso_day(f"{day:%-d.%-m.}{str(day)[:4]}") == str(day) == iso_day(str(day))


def test_a_command_gets_what_was_filled_in() -> None:
    fields = Fields(on="5.3.2026", reason="other", note="", version="3")
    assert said(fields, "version") == {"on": "2026-03-05", "reason": "other"}
    assert said(fields) == {"on": "2026-03-05", "reason": "other", "version": "3"}
    assert fields["on"] == "5.3.2026"


@pytest.mark.parametrize(
    ("typed_in", "seen"), [("4", 4), ("", 0), ("-1", 0), ("4.0", 0), ("٤", 0), ("1234567890", 0), ("four", 0)]
)
def test_a_version_that_was_tampered_with_is_one_that_nothing_has(typed_in: str, seen: int) -> None:
    assert seen_version(Fields(version=typed_in)) == seen
    assert seen_version(Fields()) == 0
