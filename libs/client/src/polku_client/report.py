"""What the command line shows: never what a referral holds, only ids, states, and which field is wrong and why."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from polku_client.problems import PolkuProblem
from polku_client.results import Referral

DONE, FAILED, PARTLY = 0, 1, 2


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


def refusals_of(line: int, problem: PolkuProblem) -> list[Refusal]:
    """A row per field that is wrong; one for a refusal that is about no field."""
    if not problem.errors:
        return [Refusal(line, "", problem.code, problem.detail or problem.title)]
    return [Refusal(line, error.pointer, error.code, error.message) for error in problem.errors]


def show_refusals(refusals: Sequence[Refusal], title: str = "refused") -> None:
    show(title, ("line", "field", "code", "words"), (vars(one).values() for one in refusals))


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


def shown_problem(problem: PolkuProblem) -> dict[str, Any]:
    return {
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail or problem.title,
        "errors": [vars(error) for error in problem.errors],
    }
