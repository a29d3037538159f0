"""XLSX: the first sheet of a workbook, read without calculating anything, and within limits."""

import io
import zipfile
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import openpyxl
from openpyxl.cell import WriteOnlyCell

from polku_referral.files.table import MOST_COLUMNS, Cell, Line, Table, Unread, check_size, plain
from polku_web.i18n import msg
from polku_web.problems import Problem

MOST_SHEET_BYTES = 128 * 1024 * 1024
MOST_OTHER_BYTES = 32 * 1024 * 1024
"""Unpacked: of sheets, which are read as they come, and of all else, which is held whole."""
MOST_PARTS = 1000
LAST_LINE = 1_048_576
"""Of a sheet in every spreadsheet there is; a cell that claims to stand below it makes up endless empty lines."""

if not openpyxl.DEFUSEDXML:
    raise ImportError("openpyxl reads untrusted files here: it needs defusedxml")


def read_xlsx(raw: bytes) -> Table:
    """Raises Problem 400 for what is no workbook, 413 for one that is too large unpacked."""
    try:
        _check_size(raw)
        workbook = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=False, keep_links=False)
        try:
            return _table(workbook.worksheets[0])
        finally:
            workbook.close()
    except Problem:
        raise
    except Exception:  # noqa: BLE001 - files that nobody made by hand run the library into whatever its code does
        raise unreadable() from None


def unreadable() -> Problem:
    return Problem(400, "malformed", msg("The file is no XLSX workbook that can be read."))


def unpacked_too_large() -> Problem:
    return Problem(413, "too-large", msg("The workbook is too large when it is unpacked."))


def _check_size(raw: bytes) -> None:
    """By what the archive states; no part gives more when it is unpacked."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        parts = archive.infolist()
    sheets = sum(part.file_size for part in parts if part.filename.startswith("xl/worksheets/"))
    others = sum(part.file_size for part in parts) - sheets
    if len(parts) > MOST_PARTS or sheets > MOST_SHEET_BYTES or others > MOST_OTHER_BYTES:
        raise unpacked_too_large()


def _table(sheet: Any) -> Table:
    sheet.reset_dimensions()  # what a file says of its own size is not to be believed
    lines: list[Line] = []
    before: object = None
    for number, row in enumerate(sheet.iter_rows(max_col=MOST_COLUMNS + 1), start=1):
        if number > LAST_LINE:
            raise unpacked_too_large()
        if row is before:  # for every line that a file leaves out comes the same empty row
            continue
        before = row
        cells = [_cell(cell) for cell in row]
        while cells and cells[-1] == "":
            cells.pop()
        if cells or number == 1:
            check_size(len(lines), len(cells))
            lines.append(Line(number, cells))
    headings = [cell if isinstance(cell, str) else "" for cell in lines[0].cells] if lines else []
    return Table("xlsx", headings, lines[1:])


def _cell(cell: Any) -> Cell:
    value = cell.value
    if cell.data_type == "f":
        return Unread("formula", str(getattr(value, "text", value) or ""))
    if cell.data_type == "e":
        return Unread("cell-error", str(value))
    return plain(_text(value).strip())


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a spreadsheet knows no whole numbers
    return "" if value is None else str(value)


def write_xlsx(rows: Sequence[Sequence[str]]) -> bytes:
    """Rows of text as a workbook; every cell is text, whatever it begins with."""
    workbook = openpyxl.Workbook(write_only=True)
    sheet = workbook.create_sheet("Polku")
    for row in rows:
        cells = []
        for text in row:
            cell = WriteOnlyCell(sheet, value=_writable(text))
            cell.data_type = "s"
            cells.append(cell)
        sheet.append(cells)
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def _writable(text: str) -> str:
    return "".join(sign if sign >= " " or sign in "\t\n\r" else "?" for sign in text)[:32_767]
