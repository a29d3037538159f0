"""Files as they come from spreadsheets: read without guessing wrong, without calculating, and within limits."""

import contextlib
import csv
import io
import json
import zipfile
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku_referral.files.columns import columns, is_known, labels_of, layout, letters, path_of, rows_of
from polku_referral.files.comma import read_csv, write_csv
from polku_referral.files.copy import rows_of_copy
from polku_referral.files.rows import Elements, Lines, Reader
from polku_referral.files.sheet import read_xlsx, write_xlsx
from polku_referral.files.table import DANGEROUS, Line, Table, Unread, defused, plain
from polku_referral.model.code_map import CodeMap
from polku_web.codes import read_codes
from polku_web.problems import Problem

from .material import AINO

LABELS = labels_of(read_codes("polku_referral"), None)
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


@given(st.lists(st.binary(max_size=20).filter(lambda line: b"\n" not in line), max_size=8), st.integers(1, 30))
def test_lines_are_cut_wherever_the_pieces_end(sent: list[bytes], size: int) -> None:
    wanted = [(number, line.strip(b" \t\r")) for number, line in enumerate(sent, start=1)]
    assert in_pieces(Lines(), b"\n".join(sent), size) == [(number, line) for number, line in wanted if line]


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


def test_the_headings_decide_where_the_sniffer_is_misled() -> None:
    text = "external_id;person.given_names;reason.text\n" + 'A;Aino;"a, b, c, d, e"\n' * 5
    assert read_csv(text.encode(), is_known).delimiter == ";"


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


# -- XLSX ---------------------------------------------------------------------------------------------------


def workbook(*rows: list[Any]) -> bytes:
    made = openpyxl.Workbook()
    for row in rows:
        made.active.append(row)  # type: ignore[union-attr]
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def test_cells_of_a_workbook() -> None:
    row = ["A-1", datetime(1994, 5, 1, 12), date(2026, 3, 5), 205, 2.0, 2.5, True, None, "=1+1", "#REF!", " x "]  # noqa: DTZ001
    table = read_xlsx(workbook(["h"] * 11, [], row))
    cells = ["A-1", "1994-05-01", "2026-03-05", "205", "2", "2.5", "true", ""]
    cells += [Unread("formula", "=1+1"), Unread("cell-error", "#REF!"), "x"]  # type: ignore[list-item]
    assert table.lines == [Line(3, cells)]


def test_a_workbook_that_lies_or_bursts() -> None:
    def rewritten(name: str, content: bytes) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(workbook(HEADINGS, ["A", "B"]))) as old, zipfile.ZipFile(out, "w", 8) as new:
            for part in old.namelist():
                new.writestr(part, content if part == name else old.read(part))
        return out.getvalue()

    sheet, styles = "xl/worksheets/sheet1.xml", "xl/styles.xml"
    entities = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
    external = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'
    bursting = {
        "entities": (rewritten(sheet, entities), 400),
        "entities elsewhere": (rewritten(styles, entities), 400),
        "a file from outside": (rewritten(sheet, external), 400),
        "unpacked styles": (rewritten(styles, b" " * 40_000_000), 413),
        "unpacked sheet": (rewritten(sheet, b" " * 140_000_000), 413),
        "no XML": (rewritten(sheet, b"\x00"), 400),
        "a password": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500, 400),
        "an empty archive": (b"PK\x05\x06" + b"\0" * 18, 400),
    }
    for raw, status in bursting.values():
        with pytest.raises(Problem) as caught:
            read_xlsx(raw)
        assert caught.value.status == status
    far = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/><sheetData>'
    far += b'<row r="1"><c r="A1" t="inlineStr"><is><t>external_id</t></is></c></row>'
    far += b'<row r="1048576"><c r="A1048576"><v>1</v></c></row></sheetData></worksheet>'
    assert read_xlsx(rewritten(sheet, far)).lines == [Line(1_048_576, ["1"])]


@given(st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=3), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_a_workbook_of_ours_holds_text_alone(rows: list[list[str]]) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(write_xlsx([[defused(text) for text in row] for row in rows]))).active
    assert sheet is not None
    for row in sheet.iter_rows():
        for cell in row:
            assert cell.data_type in ("s", "inlineStr", "n")
            assert cell.value is None or not str(cell.value).startswith(DANGEROUS)


# -- headings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "heading",
    [
        "external_id",
        "EXTERNAL_ID ",
        "lähettäjän tunniste",
        "Lähettäjän  tunniste*",
        "Avsändarens_identifierare:",
        "viite",
    ],
)
def test_a_heading_is_known_however_it_is_written(heading: str) -> None:
    assert path_of(heading) == "external_id"


def test_no_heading_means_two_things() -> None:
    named = [name for path, one in columns().items() for name in (path, *one.fi, *one.sv)]
    assert all(is_known(name) for name in named)
    meant = {path: {path_of(name) for name in (path, *one.fi, *one.sv)} for path, one in columns().items()}
    assert all(paths == {path} for path, paths in meant.items())


def needed() -> list[str]:
    return [path for path, one in columns().items() if one.needed] + ["Hetu"]


def test_headings_that_are_wrong_are_named() -> None:
    with pytest.raises(Problem) as caught:
        layout([*needed()[1:], "Kengännumero", AINO, "sukunimi"])
    said = [(error.pointer, error.code) for error in caught.value.errors]
    last = letters(len(needed()))
    assert said == [
        (f"/{letters(len(needed()) - 1)}", "unknown-column"),
        (f"/{last}", "unknown-column"),
        (f"/{letters(len(needed()) + 1)}", "duplicate-column"),
        ("/external_id", "missing-column"),
    ]
    messages = [error.message.values["column"] for error in caught.value.errors]  # type: ignore[union-attr]
    assert messages == [
        "Kengännumero",
        last,
        "sukunimi",
        "external_id (Lähettäjän tunniste, Avsändarens identifierare)",
    ]


def test_without_headings_nothing_of_the_first_line_is_said() -> None:
    with pytest.raises(Problem) as caught:
        layout(["Aino", "Testinen", AINO])
    assert [(error.pointer, error.code) for error in caught.value.errors] == [("", "no-headings")]


def test_letters_are_those_of_a_spreadsheet() -> None:
    assert [letters(place) for place in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]


# -- rows ---------------------------------------------------------------------------------------------------


def row(cells: dict[str, Any], *more: Any, own: CodeMap | None = None) -> tuple[dict[str, Any], Any]:
    there = {path_of(heading) for heading in cells}
    headings = [*cells, *(heading for heading in needed() if path_of(heading) not in there)]
    values = [cells.get(heading, "") for heading in headings]
    table = Table("csv", headings, [Line(2, [*values, *more])])
    labels = LABELS if own is None else labels_of(read_codes("polku_referral"), own)
    (found,) = rows_of(table, layout(headings), labels, "digest")
    assert found.sha256 == "digest"
    return json.loads(found.raw), found.faults


def test_cells_become_a_body() -> None:
    body, faults = row(
        {
            "viite": "A-1",
            "Lähetetty": "5.3.2026",
            "Syntymäaika": "05.03.1990",
            "Kotikunta": "5",
            "Turvakielto": "Kyllä",
            "Tavoitteet": "Työ; koulutus, fame",
            "Ohjaava taho": "työllisyyspalvelu",
            "Äidinkieli": "svenska",
            "Sukunimi": "",
            "tila": "to be corrected",
        }
    )
    assert body == {
        "external_id": "A-1",
        "referred_on": "2026-03-05",
        "route": "employment-service",
        "person": {
            "date_of_birth": "1990-03-05", "municipality": "005", "protected_address": True, "language": "sv",
        },
        "reason": {"goals": ["work", "education", "fame"]},
        "ground": {}, "labour_market": {}, "sender": {},
    }  # fmt: skip
    assert faults == ()


def test_what_is_neither_yes_nor_no_is_left_for_the_model() -> None:
    values = [row({"Turvakielto": said})[0]["person"].get("protected_address") for said in ("ei", "0", "ehkä", "")]
    assert values == [False, False, "ehkä", None]


def test_a_senders_own_code_stays_its_own() -> None:
    own = CodeMap(service={"TYÖTOIMINTA": "group-activity"})
    assert row({"Palvelu": "Työtoiminta"}, own=own)[0]["service"] == "Työtoiminta"
    assert row({"Palvelu": "Työtoiminta"})[0]["service"] == "work-activity"


def test_cells_that_say_nothing_are_faults_of_their_column() -> None:
    body, faults = row({"viite": Unread("formula", "=A1")}, "one too many")
    assert ("external_id" in body, [tuple(one) for one in faults]) == (
        False,
        [("external_id", "formula"), ("", "more-cells")],
    )


# -- copies -------------------------------------------------------------------------------------------------


@given(st.text(max_size=10))
def test_no_cell_of_a_copy_is_calculated_and_all_come_back(text: str) -> None:
    assert not defused(text).startswith(DANGEROUS)
    if not text.startswith("'"):
        assert plain(defused(text)) == text


def test_a_copy_is_the_file_with_verdicts_in_their_lines() -> None:
    table = Table(
        "csv", ["viite", "tila", "puhelin"], [Line(2, ["A-1", "old", "+358"]), Line(5, [Unread("formula", "=1")])]
    )
    rows = rows_of_copy(table, {2: ("in order", ""), 5: ("to be corrected", "=x")})
    assert rows == [
        ["viite", "puhelin", "tila", "virhe"],
        ["A-1", "'+358", "in order", ""],
        [],
        [],
        ["'=1", "", "to be corrected", "'=x"],
    ]
    again = read_csv(write_csv(rows, "cp1252", ";"), is_known)
    assert again.lines[0].cells[:2] == ["A-1", "+358"]
    assert [line.number for line in again.lines] == [2, 5]
