"""Kills the children of an installation with -9, by a seeded schedule, and remembers what it did."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random

import httpx

from polku_embedded.supervisor import SERVICES
from tests.installation import Installation

CHILDREN = ("worker", "web", "kafka", "mongod")
ONE_AT_A_TIME = 0.75


@dataclass
class Nemesis:
    """least: how often each child is killed at least; the load must last as long as that takes."""

    installation: Installation
    random: Random
    least: int
    pause_s: tuple[float, float] = (2.0, 5.0)
    kills: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)

    @property
    def satisfied(self) -> bool:
        return all(self.kills[child] >= self.least for child in CHILDREN)

    async def run(self) -> None:
        """Until cancelled: one child after the other in a shuffled order, so that each gets its share."""
        while True:
            for child in self.random.sample(CHILDREN, len(CHILDREN)):
                await asyncio.sleep(self.random.uniform(*self.pause_s))
                try:
                    self.installation.kill(child)
                except (ProcessLookupError, TypeError):
                    continue  # it is down from the last kill; its turn comes again
                self.kills[child] += 1
                self.log.append(child)
                if self.random.random() < ONE_AT_A_TIME:
                    await self._until_back(child)

    async def _until_back(self, child: str) -> None:
        """Work must get on between the faults, or the loop would only show that nothing can be lost while nothing is
        done; the other kills overlap."""
        for _ in range(100):
            await asyncio.sleep(0.2)
            now = self.installation.state()
            if now["children"][child]["ready"] and now["phase"] == "ready":
                return


@dataclass
class Witness:
    """Counts what the worker says it has met, across its restarts: the counters of a process that died are lost
    but for the last look, so the sum is a lower bound."""

    installation: Installation
    duplicates: float = 0
    _last: float = 0

    async def run(self) -> None:
        port = self.installation.state()["worker"]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=1) as http:
            while True:
                await asyncio.sleep(0.3)
                try:
                    now = sum([await self._seen(http, service) for service in SERVICES])
                except httpx.HTTPError:
                    continue
                self.duplicates += now - self._last if now >= self._last else now
                self._last = now

    async def _seen(self, http: httpx.AsyncClient, service: str) -> float:
        lines = (await http.get(f"/{service}/metrics")).text.splitlines()
        wanted = [line for line in lines if line.startswith("polku_records_total") and 'outcome="duplicate"' in line]
        return sum(float(line.rsplit(" ", 1)[1]) for line in wanted)
