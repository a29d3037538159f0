"""A file of referrals as a table, whichever kind of file it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from polku_web.i18n import msg
from polku_web.problems import Problem

CSV, XLSX = "text/csv", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_ROWS = 50_000
MOST_COLUMNS = 100
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would calculate (OWASP: CSV injection)."""


class Unread(NamedTuple):
    """A cell that says nothing by itself. code: of `texts.WRONG`. text: what stands there."""

    code: str
    text: str


Cell = str | Unread


class Line(NamedTuple):
    """number: as a spreadsheet shows it; the headings stand on 1."""

    number: int
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Table:
    """lines: those with anything on them. encoding, delimiter: of a CSV file."""

    kind: Literal["csv", "xlsx"]
    headings: Sequence[str]
    lines: Sequence[Line]
    encoding: str = "utf-8-sig"
    delimiter: str = ";"


def defused(text: str) -> str:
    """The text as a cell that no spreadsheet calculates."""
    return f"'{text}" if text.startswith(DANGEROUS) else text


def plain(text: str) -> str:
    """A cell as it was before it was defused, so that a copy of ours can be corrected and sent."""
    return text[1:] if text.startswith("'") and text[1:].startswith(DANGEROUS) else text


def check_size(rows: int, columns: int) -> None:
    """Raises Problem 413 for a table that is too large to be looked at."""
    if rows > MOST_ROWS:
        raise Problem(413, "too-large", msg("A batch may have %(most)s rows at most.", most=MOST_ROWS))
    if columns > MOST_COLUMNS:
        raise Problem(413, "too-large", msg("A file may have %(most)s columns at most.", most=MOST_COLUMNS))
