"""CSV as spreadsheets in Finland write it: UTF-8 or Windows-1252, semicolons, commas or tabs between."""

import csv
import io
from collections.abc import Callable, Sequence

from polku_referral.files.table import XLSX, Line, Table, check_size, plain
from polku_web.i18n import msg
from polku_web.problems import Problem

DELIMITERS = (";", ",", "\t")
SAMPLE = 16 * 1024
ZIP = b"PK\x03\x04"
"""How every XLSX file begins."""
UTF_16 = (b"\xff\xfe", b"\xfe\xff")

Known = Callable[[str], bool]
"""True for a heading that means something."""


def read_csv(raw: bytes, is_known: Known) -> Table:
    """Raises Problem 400 for what is no text or no CSV, 413 for too much of it, 415 for a workbook."""
    if raw.startswith(ZIP):
        looks = msg("This looks like an XLSX workbook: send it as %(type)s.", type=XLSX)
        raise Problem(415, "unsupported-media-type", looks)
    text, encoding = decoded(raw)
    first, _, rest = text.partition("\n")
    stated = first.strip().removeprefix("sep=") if first.startswith("sep=") else ""
    text = rest if stated in DELIMITERS else text
    delimiter = stated if stated in DELIMITERS else delimiter_of(text, is_known)
    lines: list[Line] = []
    number = 0
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            number += 1
            if number == 1 or any(cell.strip() for cell in cells):
                check_size(len(lines), len(cells))
                lines.append(Line(number, [plain(cell.strip()) for cell in cells]))
    except csv.Error:
        raise Problem(400, "malformed", msg("Line %(line)s cannot be read as CSV.", line=number + 1)) from None
    headings = [str(cell) for cell in lines[0].cells] if lines else []
    return Table("csv", headings, lines[1:], encoding, delimiter)


def decoded(raw: bytes) -> tuple[str, str]:
    """The text and its encoding. Raises Problem 400."""
    for encoding in ("utf-16",) if raw.startswith(UTF_16) else ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding), encoding
        except UnicodeDecodeError:
            continue
    raise Problem(400, "malformed", msg("The file is neither UTF-8 nor Windows-1252."))


def delimiter_of(text: str, is_known: Known) -> str:
    """What stands between the cells: by it the first line holds the most headings that mean something.

    Not as `csv.Sniffer` guesses: its expressions take seconds on 16 kB that somebody made for that.
    """
    sample = text[:SAMPLE]
    return max(DELIMITERS, key=lambda sign: sum(map(is_known, _headings(sample, sign))))


def _headings(sample: str, delimiter: str) -> Sequence[str]:
    try:
        return next(csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return []


def write_csv(rows: Sequence[Sequence[str]], encoding: str, delimiter: str) -> bytes:
    """Rows of text as a CSV file; what the encoding does not know becomes `?`."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode(encoding, "replace")
