"""Bytes as they come: cut into rows wherever the pieces end, and CSV read without guessing wrong."""

import contextlib
import csv
import io
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku_referral.files.columns import is_known
from polku_referral.files.comma import read_csv
from polku_referral.files.rows import Elements, Lines, Reader
from polku_referral.files.sheet import read_xlsx, write_xlsx
from polku_referral.files.table import XLSX, Line, plain
from polku_web.problems import Problem

HEADINGS = ["external_id", "person.given_names"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def in_pieces(reader: Reader, sent: bytes, size: int) -> list[tuple[int, bytes]]:
    pieces = [sent[begin : begin + size] for begin in range(0, len(sent), size)] or [b""]
    return [
        (row.number, row.raw)
        for place, piece in enumerate(pieces, start=1)
        for row in reader.feed(piece, is_last=place == len(pieces))
    ]


# -- JSON ---------------------------------------------------------------------------------------------------


@given(st.lists(JSON, max_size=6), st.integers(1, 60), st.sampled_from([None, 1]), st.booleans())
def test_an_array_is_cut_into_its_elements_wherever_the_pieces_end(
    values: list[Any], size: int, indent: int | None, ascii_: bool
) -> None:
    try:
        sent = json.dumps(values, indent=indent, ensure_ascii=ascii_).encode()
    except UnicodeEncodeError:
        return  # half a surrogate pair has no bytes
    rows = in_pieces(Elements(), sent, size)
    assert [number for number, _ in rows] == list(range(1, len(values) + 1))
    assert [json.loads(raw) for _, raw in rows] == values
    place = 0
    for _, raw in rows:  # they are the very bytes that were sent
        place = sent.index(raw, place) + len(raw)


@given(st.binary(max_size=60), st.integers(1, 20))
def test_bytes_that_are_no_array_are_a_problem_and_nothing_else(sent: bytes, size: int) -> None:
    for start in (b"", b"["):
        with contextlib.suppress(Problem):
            rows = in_pieces(Elements(), start + sent, size)
            assert json.loads((start + sent).decode("utf-8-sig")) == [json.loads(raw) for _, raw in rows]


@given(
    st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line and b"[" not in line), max_size=8),
    st.integers(1, 30),
)
def test_lines_are_cut_wherever_the_pieces_end(sent: list[bytes], size: int) -> None:
    wanted = [(number, line.strip(b" \t\r")) for number, line in enumerate(sent, start=1)]
    assert in_pieces(Lines(), b"\n".join(sent), size) == [(number, line) for number, line in wanted if line]


# -- Under the wrong name -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "named"),
    [
        (lambda: read_csv(write_xlsx([["a"]]), lambda _: True), XLSX),
        (lambda: in_pieces(Lines(), b"\n[\n{},\n{}\n]", 3), "application/json"),
    ],
)
def test_what_came_under_the_wrong_name_is_told_the_right_one(read: Callable[[], object], named: str) -> None:
    with pytest.raises(Problem) as refused:
        read()
    assert refused.value.status == 415
    assert named in str(refused.value.detail)


def test_only_the_first_row_tells_that_it_is_an_array() -> None:
    assert len(in_pieces(Lines(), b"{}\n[\n]", 4)) == 3


# -- CSV ----------------------------------------------------------------------------------------------------

CELL = st.text(st.characters(codec="cp1252", exclude_categories=["Cc", "Cs"]), max_size=12).map(str.strip)


@given(
    st.lists(st.lists(CELL, min_size=2, max_size=2).filter(any), min_size=1, max_size=6),
    st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
    st.sampled_from([";", ",", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=300)
def test_what_a_spreadsheet_writes_is_read_back(
    cells: list[list[str]], encoding: str, delimiter: str, newline: str
) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=newline).writerows([HEADINGS, *cells])
    raw = out.getvalue().encode(encoding)
    table = read_csv(raw, is_known)
    assert (table.headings, table.delimiter) == (HEADINGS, delimiter)
    said = [[plain(cell) for cell in row] for row in cells]
    if encoding == "cp1252":  # what happens to be UTF-8 is taken for it
        said = [[plain(cell) for cell in row] for row in csv.reader(io.StringIO(_again(raw)), delimiter=delimiter)][1:]
    assert [[str(cell).strip() for cell in line.cells] for line in table.lines] == [
        [c.strip() for c in r] for r in said
    ]


def _again(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_problem(raw: bytes) -> None:
    for read in (lambda one: read_csv(one, is_known), read_xlsx):
        with contextlib.suppress(Problem):
            read(raw)


def test_lines_have_the_numbers_that_a_spreadsheet_shows() -> None:
    raw = b'sep=;\r\nexternal_id;reason.text\r\n\r\nA-1;"two\r\nlines"\r\n;\r\nA-2;x\r\n'
    table = read_csv(raw, is_known)
    assert table.lines == [Line(3, ["A-1", "two\r\nlines"]), Line(5, ["A-2", "x"])]


def test_the_headings_decide_what_stands_between_cells_and_at_once() -> None:
    text = "external_id;person.given_names;reason.text\n" + 'A;Aino;"a, b, c, d, e"\n' * 5
    assert read_csv(text.encode(), is_known).delimiter == ";"
    began = time.monotonic()
    # On these the guesses of Python's csv.Sniffer take many seconds, and hold every other request meanwhile.
    for made in (';";a";' + '""a' * 5_300, ',"a' * 5_300):
        with contextlib.suppress(Problem):
            read_csv(f"external_id;person.given_names\n{made}".encode(), is_known)
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize(
    "raw", [b"\x81\x8d\x8f;x", b'external_id;x\nA-1;"never closed', b'external_id;x\nA-1;"a"b', b"a;" * 60 + b'"' * 3]
)
def test_what_cannot_be_read_is_told_without_saying_it_back(raw: bytes) -> None:
    with pytest.raises(Problem) as caught:
        read_csv(raw, is_known)
    assert caught.value.code in ("malformed", "too-large")


def test_more_than_may_be() -> None:
    for raw in (b"external_id\n" + b"A\n" * 50_001, b";" * 101):
        with pytest.raises(Problem) as caught:
            read_csv(raw, is_known)
        assert caught.value.status == 413
