"""How the commands of `polku` speak: progress on standard error, answers as a table or as JSON."""

import contextlib
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def say(text: str) -> None:
    """One line of progress on standard error."""
    with contextlib.suppress(OSError):  # a full disk under a redirected output must not end the supervisor
        print(f"polku: {text}", file=sys.stderr, flush=True)


def print_table(title: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left")
    # The first column names the row, and is typed into the next command: it is never cut or broken.
    for number, column in enumerate(rows[0]):
        table.add_column(column.replace("_", " "), no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*map(as_text, row.values()))
    Console().print(table)


def as_text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
