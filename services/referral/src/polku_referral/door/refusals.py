"""Refused assertions and access tokens in the audit trail: one row each, and a flood bounded.

The first FREE refusals of a second are a row each; what comes beyond, from whomever, is one row with their number
when the second is over. So the trail grows by so many rows a second at most in each process, and nothing is uncounted.
"""

import asyncio
from collections import Counter

from polku_referral.audit import Audit, Look, as_id
from polku_referral.directory import Directory

FREE = 50
SECOND = 1.0
ASSERTION, TOKEN = "client-refused", "token-refused"
FLOOD = "flood"


class Refusals:
    """Of one API process."""

    def __init__(self, audit: Audit, directory: Directory) -> None:
        self.audit = audit
        self.directory = directory
        self._written = 0
        self._beyond: Counter[str] = Counter()
        self._closing: asyncio.Task[None] | None = None

    async def note(self, action: str, reason: str, claimed: str | None = None) -> None:
        """claimed: whose it was said to be. Raises what MongoDB raises: without its row nobody is answered."""
        self._written += 1
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        if self._written > FREE:
            self._beyond[action] += 1
            return
        about = None if claimed is None else as_id(claimed)
        await self.audit.write(None, [Look(None, action, about=about, detail=reason)])
        if about is not None:
            await self.directory.note_refusals(about, 1)

    async def finish(self) -> None:
        """Writes what is still only counted, when the process ends."""
        if self._closing is not None:
            self._closing.cancel()
            await self._write()

    async def _close(self) -> None:
        await asyncio.sleep(SECOND)
        await self._write()

    async def _write(self) -> None:
        beyond, self._beyond, self._written, self._closing = self._beyond, Counter(), 0, None
        if beyond:
            rows = [Look(None, action, detail=FLOOD, count=count) for action, count in beyond.items()]
            await self.audit.write(None, rows)
