"""What the command line shows: never what a referral holds, only ids, states, and which field is wrong and why."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from polku_client.batches import Progress, RowResult
from polku_client.problems import PolkuProblem
from polku_client.results import Referral

DONE, FAILED, PARTLY = 0, 1, 2
SHOWN = 20
"""Longer lists are counted, not shown."""


@dataclass(frozen=True)
class Refusal:
    """One thing that keeps one row out. line: in the sender's file, where its id stands; here it may be anything."""

    line: int
    field: str
    code: str
    words: str


def say(text: str) -> None:
    """One line for people, on standard error."""
    typer.echo(f"polku: {text}", err=True)


def out(value: object) -> None:
    """One JSON value for machines, on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def refusals_of(results: Iterable[RowResult], lines: Sequence[int] | None = None) -> list[Refusal]:
    """A line per field that is wrong; one for a refusal about no field. lines: of the rows, when they differ."""
    found = []
    for one in results:
        line = lines[one.row - 1] if lines else one.row
        if one.problem and one.problem.errors:
            columns = one.columns or {}
            found += [
                Refusal(line, columns.get(error.pointer) or error.pointer, error.code, error.message)
                for error in one.problem.errors
            ]
        elif one.problem:
            found.append(Refusal(line, "", one.problem.code, one.problem.detail or one.problem.title))
    return found


def show_refusals(refusals: Sequence[Refusal]) -> None:
    show("refused", ("line", "field", "code", "words"), (vars(one).values() for one in refusals))


def show_taken(results: Sequence[RowResult]) -> None:
    """Who is in; a long list is only counted."""
    taken = [one for one in results if one.id]
    if len(taken) <= SHOWN:
        show("referrals", ("external id", "case", ""), ((one.external_id, one.case_code, one.status) for one in taken))


def counted(results: Iterable[RowResult]) -> dict[str, int]:
    """Rows by status, those that there are."""
    return dict(Counter(one.status for one in results))


def code_of(results: Sequence[RowResult]) -> int:
    """The exit code: all in, none, or some."""
    good = sum(one.is_good for one in results)
    if good == len(results):
        return DONE
    return PARTLY if good else FAILED


@contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[Progress | None]:
    """A bar on standard error, when that is a terminal: to be told (done, total)."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console) as bars:
        bar = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)


def show_referrals(referrals: Iterable[Referral]) -> None:
    columns = ("external id", "case", "state", "answer due", "you may")
    rows = ((one.external_id, one.case_code, one.state, one.answer_due, ", ".join(one.commands)) for one in referrals)
    show("referrals", columns, rows)


def show(title: str, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """A table on standard output; nothing without rows. Colours only for a terminal, and not with NO_COLOR."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    if table.row_count:
        Console(markup=False).print(table)


def shown(referral: Referral) -> dict[str, Any]:
    """A referral for machines: as Polku said it."""
    return dict(referral.said)


def shown_result(result: RowResult, lines: Sequence[int] | None = None) -> dict[str, Any]:
    """What became of a row, for machines."""
    told = {name: getattr(result, name) for name in ("external_id", "id", "case_code", "receipt")}
    found = {"line": lines[result.row - 1] if lines else result.row, "status": result.status}
    found |= {name: value for name, value in told.items() if value}
    return found | ({"problem": shown_problem(result.problem)} if result.problem else {})


def shown_problem(problem: PolkuProblem) -> dict[str, Any]:
    return {
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail or problem.title,
        "errors": [vars(error) for error in problem.errors],
    }
