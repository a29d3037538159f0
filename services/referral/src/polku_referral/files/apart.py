"""Workbooks read in a process of their own, which ends when it takes too long.

A library that takes an archive of XML apart has expressions that take hours on 5 kB made for that, and Python lets
nobody else work meanwhile. The process is given the file and nothing else: no setting, no key.
"""

import asyncio
import json
import os
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from subprocess import DEVNULL, PIPE
from typing import Any

from polku_referral.files.sheet import read_xlsx, unpacked_too_large, unreadable
from polku_referral.files.table import Line, Table, Unread
from polku_web.i18n import Message
from polku_web.problems import Problem

SECONDS = 100
"""Of work, and of time: the largest workbook that may come takes half of it on a busy machine."""
MEMORY = 2 * 1024**3
"""Bytes of address space."""
MOST_BYTES = 128 * 1024**2
"""Of what is told of one workbook."""
AT_ONCE = 2
NICE = 10
"""Requests of others go first."""
MODULE = "polku_referral.files.apart"


class Workbooks:
    """Of one API process. seconds: for one workbook."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def read(self, raw: bytes) -> Table:
        """As `read_xlsx`. Raises Problem 400 also for what cannot be read within the time."""
        async with self._gate:
            said = await self._said(raw)
        return await asyncio.to_thread(_table, said)

    async def _said(self, raw: bytes) -> bytes:
        reader = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", MODULE, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}
        )
        try:
            async with asyncio.timeout(self.seconds):
                said, _ = await reader.communicate(raw)
        except TimeoutError:
            raise unreadable() from None
        finally:
            with suppress(ProcessLookupError):
                reader.kill()
        if reader.returncode != 0:
            raise unreadable()
        return said


def _table(said: bytes) -> Table:
    # Line by line, so that others get a turn.
    first, *lines = said.splitlines()
    told = json.loads(first)
    if "problem" in told:
        status, code, msgid, values = told["problem"]
        raise Problem(status, code, Message(msgid, values))
    return Table("xlsx", told["headings"], [_line(*json.loads(line)) for line in lines])


def _line(number: int, cells: Sequence[Any]) -> Line:
    return Line(number, [cell if isinstance(cell, str) else Unread(*cell) for cell in cells])


def main() -> None:
    """Reads a workbook on standard input and writes what stands in it as JSON lines, or the problem."""
    # The process ends by itself too, should nobody wait for it any more.
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.nice(NICE)
    try:
        said = _lines(read_xlsx(sys.stdin.buffer.read()))
    except Problem as problem:
        detail = problem.detail if isinstance(problem.detail, Message) else Message(problem.detail)
        said = [json.dumps({"problem": [problem.status, problem.code, detail.msgid, detail.values]})]
    sys.stdout.write("\n".join(said))


def _lines(table: Table) -> list[str]:
    """Raises Problem 413 for more than a file can mean: one long text may stand in millions of cells."""
    said, size = [json.dumps({"headings": table.headings})], 0
    for line in table.lines:
        said.append(json.dumps(line))
        size += len(said[-1])
        if size > MOST_BYTES:
            raise unpacked_too_large()
    return said


if __name__ == "__main__":
    main()
