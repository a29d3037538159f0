"""Runs every measurement, prints a table, writes build/bench.json. `python -m bench [name …]` runs some."""

import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import batches, consuming, running, way_back
from bench.figure import Figure

RESULT = Path("build/bench.json")
MEASUREMENTS: dict[str, Callable[[Path], Iterator[Figure]]] = {
    "running": running.measure,
    "batches": batches.measure,
    "consuming": consuming.measure,
    "way_back": way_back.measure,
}


def main() -> None:
    chosen = sys.argv[1:] or list(MEASUREMENTS)
    figures: list[Figure] = []
    for name in chosen:
        print(f"bench: measuring {name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="polku-bench-") as folder:
            for figure in MEASUREMENTS[name](Path(folder)):
                figures.append(figure)
                print("bench: " + "  ".join(filter(None, figure.row())), file=sys.stderr, flush=True)
    table = Table(title=f"{platform.machine()}, {platform.python_version()}", title_justify="left")
    for column in ("figure", "measured", "ceiling", "share", "goal", "met"):
        table.add_column(column)
    for figure in figures:
        table.add_row(*figure.row())
    Console(width=140).print(table)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps([figure.as_json() for figure in figures], indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
