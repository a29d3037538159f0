"""XLSX files: read without calculating anything, and within limits whatever they claim."""

import asyncio
import io
import time
import zipfile
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polku_referral.files.apart import Workbooks
from polku_referral.files.sheet import read_xlsx, write_xlsx
from polku_referral.files.table import DANGEROUS, Line, Unread, defused
from polku_web.problems import Problem


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


SHEET, STYLES, SHARED = "xl/worksheets/sheet1.xml", "xl/styles.xml", "xl/sharedStrings.xml"


def rewritten(name: str, content: bytes) -> bytes:
    """A workbook with another part of that name."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(["external_id"], ["A"]))) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for part in old.namelist():
            new.writestr(part, content if part == name else old.read(part))
    return out.getvalue()


def far(last: int) -> bytes:
    """A small workbook with cells on two lines alone: the first, and this one."""
    sheet = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    sheet += b'<dimension ref="A1:XFD1048576"/><sheetData>'
    sheet += b'<row r="1"><c r="A1" t="inlineStr"><is><t>external_id</t></is></c></row>'
    sheet += b'<row r="%d"><c r="A%d"><v>1</v></c></row></sheetData></worksheet>' % (last, last)
    return rewritten(SHEET, sheet)


@pytest.mark.timeout(20)
def test_a_cell_far_below_costs_nothing() -> None:
    """A file of some kilobytes must not keep the service busy for minutes, or for ever."""
    assert read_xlsx(far(1_048_576)).lines == [Line(1_048_576, ["1"])]
    with pytest.raises(Problem) as caught:
        read_xlsx(far(10**15))
    assert caught.value.status == 413


def test_a_workbook_that_lies_or_bursts() -> None:
    entities = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'
    external = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'
    bursting = {
        "entities": (rewritten(SHEET, entities), 400),
        "entities elsewhere": (rewritten(STYLES, entities), 400),
        "a file from outside": (rewritten(SHEET, external), 400),
        "unpacked styles": (rewritten(STYLES, b" " * 40_000_000), 413),
        "unpacked sheet": (rewritten(SHEET, b" " * 140_000_000), 413),
        "no XML": (rewritten(SHEET, b"\x00"), 400),
        "a password": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 500, 400),
        "an empty archive": (b"PK\x05\x06" + b"\0" * 18, 400),
    }
    for raw, status in bursting.values():
        with pytest.raises(Problem) as caught:
            read_xlsx(raw)
        assert caught.value.status == status


@given(st.lists(st.lists(st.text(max_size=8), min_size=1, max_size=3), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None)
def test_a_workbook_of_ours_holds_text_alone(rows: list[list[str]]) -> None:
    sheet = openpyxl.load_workbook(io.BytesIO(write_xlsx([[defused(text) for text in row] for row in rows]))).active
    assert sheet is not None
    for row in sheet.iter_rows():
        for cell in row:
            assert cell.data_type in ("s", "inlineStr", "n")
            assert cell.value is None or not str(cell.value).startswith(DANGEROUS)


def with_print_titles(said: bytes) -> bytes:
    """A workbook of 5 kB whose printed lines are called so; openpyxl takes that apart by an expression."""
    made = openpyxl.Workbook()
    made.active.print_title_rows = "1:1"  # type: ignore[union-attr]
    out, changed = io.BytesIO(), io.BytesIO()
    made.save(out)
    with zipfile.ZipFile(out) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            new.writestr(part, old.read(part).replace(b"'Sheet'!$1:$1", said))
    return changed.getvalue()


async def test_a_workbook_that_holds_its_reader_holds_nobody_else_and_comes_to_an_end() -> None:
    """Read in the process itself this one takes minutes, in which nobody else is answered."""
    began, longest = time.monotonic(), 0.0
    reading = asyncio.create_task(Workbooks(seconds=1.0).read(with_print_titles(b"'" * 100_000)))
    while not reading.done():
        before = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - before)
    with pytest.raises(Problem) as caught:
        await reading
    assert (caught.value.status, caught.value.code) == (400, "malformed")
    assert time.monotonic() - began < 10
    assert longest < 1.0


def repeating(text: bytes, rows: int) -> bytes:
    """A small workbook with one text in a hundred cells of every line."""
    begin = b' xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    line = b'<row r="%d">' + b'<c t="s"><v>0</v></c>' * 100 + b"</row>"
    lines = b"".join(line % number for number in range(1, rows + 1))
    parts = {
        SHEET: b"<worksheet" + begin + b"<sheetData>" + lines + b"</sheetData></worksheet>",
        SHARED: b"<sst" + begin + b"<si><t>" + text + b"</t></si></sst>",
    }
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    listed = b'<Override PartName="/%s" ContentType="%s"/></Types>' % (SHARED.encode(), kind)
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(["text"]))) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for part in (*old.namelist(), SHARED):
            said = parts.get(part) or old.read(part)
            new.writestr(part, said.replace(b"</Types>", listed))
    return out.getvalue()


async def test_one_text_in_very_many_cells_is_not_told_so_often() -> None:
    few = await Workbooks().read(repeating(b"a", 2))
    assert few.lines == [Line(2, ["a"] * 100)]
    with pytest.raises(Problem) as caught:
        await Workbooks().read(repeating(b"a" * 100_000, 20))
    assert (caught.value.status, caught.value.code) == (413, "too-large")


async def test_apart_the_same_is_read_and_refused() -> None:
    workbooks = Workbooks()
    raw = workbook(["external_id", "ä\u2028b"], [], ["=1+1", "#REF!", 2.0])
    assert await workbooks.read(raw) == read_xlsx(raw)
    for wrong, code in ((b"no workbook", "malformed"), (far(10**15), "too-large")):
        with pytest.raises(Problem) as here:
            read_xlsx(wrong)
        with pytest.raises(Problem) as told:
            await workbooks.read(wrong)
        assert (told.value.code, told.value.detail) == (code, here.value.detail)
