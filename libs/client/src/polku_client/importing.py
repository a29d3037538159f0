"""`import`: a file is checked, the report is shown, and only then, when somebody has said so, it is taken in."""

import shutil
from pathlib import Path

import typer

from polku_client import report
from polku_client.batches import RowResult
from polku_client.client import Client
from polku_client.problems import Misconfigured

MARK = ".tila"
"""What the copy is called by, before the ending of the file."""


def run_import(
    client: Client, file: Path, *, yes: bool, valid_rows: bool, copy: Path | None, as_json: bool
) -> list[RowResult]:
    """What became of each line; of a file that is not taken in, what the check has found.

    A copy with what became of each line is written when some are refused, or when it is asked for.
    """
    if not file.is_file():
        raise Misconfigured(f"{file} cannot be read")
    with report.progress("checking", quiet=as_json) as progress:
        results = client.import_file(file, progress=progress)
    wrong = sum(not one.is_good for one in results)
    if not as_json:
        report.show_refusals(report.refusals_of(results))
        report.say(f"{len(results) - wrong} of {len(results)} lines are in order")
    if wrong < len(results) and (valid_rows or not wrong):
        if not (yes or typer.confirm(f"Take {len(results) - wrong} in?", err=True)):
            raise typer.Exit(report.FAILED)
        with report.progress("taking in", quiet=as_json) as progress:
            results = client.import_file(file, confirm=True, valid_rows=valid_rows, progress=progress)
    elif wrong < len(results):
        results = [one if not one.is_good else RowResult(one.row, "not-written") for one in results]
    if copy or any(one.status == "refused" for one in results):
        _write(client, file, copy or file.with_name(f"{file.stem}{MARK}{file.suffix}"))
    return results


def _write(client: Client, file: Path, copy: Path) -> None:
    content = client.import_copy(file)
    copy.touch(mode=0o600)  # it holds what the file holds: who could not read that must not read this either
    shutil.copymode(file, copy)
    copy.write_bytes(content)
    report.say(f"{copy} tells it line by line")
