"""A whole Polku for tests: the embedded edition in a folder of its own, started by the `polku` command."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import httpx

from polku_embedded import seeds
from polku_embedded.servers import free_port
from polku_embedded.world.colleague import Colleague
from polku_embedded.world.people import person
from polku_embedded.world.sender import Sender, referral

ROOT = Path(__file__).parent.parent
PASSWORD = "ei-salainen-testisana"


@dataclass(frozen=True)
class Installation:
    """address: of the web process. environment: what `polku` commands need to find it."""

    address: str
    data: Path
    environment: dict[str, str]

    def polku(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a `polku` command as a person would."""
        command = [sys.executable, "-m", "polku_embedded.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment, cwd=ROOT, check=False)

    def state(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads((self.data / "state.json").read_text("utf-8"))
        return said

    def restarts(self) -> Counter[str]:
        """How often the supervisor has started each child again."""
        return Counter({name: child["restarts"] for name, child in self.state()["children"].items()})

    def kill(self, child: str, number: int = signal.SIGKILL) -> None:
        """Sends a signal to a child of the supervisor."""
        os.kill(self.state()["children"][child]["pid"], number)

    def invite(self, role: str, login: str, organisation: str | None = "polku-hanke") -> dict[str, Any]:
        programme = role not in ("referrer", "operator")
        return seeds.invite(login, login, role, organisation, programme=programme, environment=self.environment)

    @asynccontextmanager
    async def signed_in(self, role: str, login: str) -> AsyncIterator[Colleague]:
        """A new colleague with a role."""
        async with httpx.AsyncClient(base_url=self.address, timeout=10) as http:
            colleague = Colleague(http)
            invited = await asyncio.to_thread(self.invite, role, login)
            await colleague.open_link(invited["link"], PASSWORD)
            yield colleague

    @asynccontextmanager
    async def sender(self, organisation: str = "kk-tyollisyysalue") -> AsyncIterator[Sender]:
        """A system of a referring organisation."""
        scopes = ["referrals:write", "referrals:read", "figures:read"]
        client = await asyncio.to_thread(seeds.client, organisation, scopes, self.environment)
        async with httpx.AsyncClient(base_url=self.address, timeout=10) as http:
            yield Sender(client, http)


@asynccontextmanager
async def together(*entered: AbstractAsyncContextManager[Any]) -> AsyncIterator[list[Any]]:
    """Senders and colleagues who come in at the same time: each waits for a command, and most of that is its start."""
    async with AsyncExitStack() as stack:
        yield await asyncio.gather(*(stack.enter_async_context(one) for one in entered))


@contextmanager
def started(data: Path, **settings: str) -> Iterator[Installation]:
    """Starts everything on free ports; stops it afterwards. settings: more of the environment, by whole names."""
    port = free_port()
    environment = {
        **os.environ,
        "POLKU_DATA": str(data),
        "POLKU_PORT": str(port),
        "POLKU_IDENTITY_CODES": "artificial",
        "POLKU_RATE_REQUESTS": "1000000",  # one sender stands for many here
        "POLKU_RATE_AT_ONCE": "1000",
        **settings,
    }
    installation = Installation(f"http://127.0.0.1:{port}", data, environment)
    try:
        started = installation.polku("up", "--detach")
        assert started.returncode == 0, started.stderr
        yield installation
    finally:
        stopped = installation.polku("down")
        assert stopped.returncode == 0, stopped.stderr


@contextmanager
def installed(data: Path, **settings: str) -> Iterator[Installation]:
    """A new installation with organisations but nobody else."""
    with started(data, **settings) as installation:
        seeds.organisations(installation.environment)
        yield installation


async def until(what: Callable[[], Any], seconds: float = 30) -> Any:
    """Waits until an (async) question gets a true answer, and gives it."""
    async with asyncio.timeout(seconds):
        while not (answer := await what()):
            await asyncio.sleep(0.1)
        return answer


def body(external_id: str, number: int, seed: int = 0, referred_on: date | None = None) -> dict[str, Any]:
    """A referral of the `number`th artificial person."""
    random = Random(f"{seed}:{external_id}")
    return referral(external_id, person(number, random), referred_on or date(2026, 3, 2), random)
