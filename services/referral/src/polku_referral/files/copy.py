"""A copy of a file with what became of each line, to be corrected and sent again."""

from collections.abc import Mapping, Sequence

from polku_referral.files.columns import OURS, path_of
from polku_referral.files.comma import write_csv
from polku_referral.files.sheet import write_xlsx
from polku_referral.files.table import Table, Unread, defused

Verdicts = Mapping[int, tuple[str, str]]
"""Number of the line → what became of it, and why."""


def copied(table: Table, verdicts: Verdicts, kind: str) -> bytes:
    """The file again, as `csv` or `xlsx`, with two more columns. No cell of it is calculated anywhere."""
    rows = rows_of_copy(table, verdicts)
    return write_xlsx(rows) if kind == "xlsx" else write_csv(rows, table.encoding, table.delimiter)


def rows_of_copy(table: Table, verdicts: Verdicts) -> list[list[str]]:
    """Every line in its place, those too that hold nothing; columns of an earlier copy are replaced."""
    kept = [place for place, heading in enumerate(table.headings) if path_of(heading) not in OURS]
    rows = [[*_texts(table.headings, kept), *OURS]]
    for line in table.lines:
        rows += [[] for _ in range(len(rows) + 1, line.number)]
        cells = [cell.text if isinstance(cell, Unread) else cell for cell in line.cells]
        rows.append([*_texts(cells, kept), *(defused(text) for text in verdicts.get(line.number, ("", "")))])
    return rows


def _texts(cells: Sequence[str], kept: Sequence[int]) -> list[str]:
    return [defused(cells[place]) if place < len(cells) else "" for place in kept]
