"""The referral service alone, API and worker, on a loopback port: for tests that call it with clients of any kind."""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn
from cryptography.fernet import Fernet
from fastapi import FastAPI
from joserfc.jwk import ECKey, Key
from pymongo import MongoClient

from polku_client import Client
from polku_embedded.servers import free_port
from polku_referral.app import create_api, create_worker
from polku_referral.model.directory import Client as Machine
from polku_referral.model.directory import Organisation, Staff, announce_organisation, announce_staff
from polku_referral.settings import ReferralSettings
from polku_runtime import topics
from polku_runtime.access import Session, SessionSeal
from polku_runtime.effects import system_effects

ROOT = Path(__file__).parent.parent
T = TypeVar("T")
SCOPES = ("referrals:write", "referrals:read")
COORDINATOR = "0197aaaa-0000-7000-8000-000000000001"
_numbers = count(1)


@dataclass(frozen=True)
class Registered:
    """A registered machine: what its owner holds."""

    client_id: str
    key: Key
    organisation_id: str


@dataclass(frozen=True)
class Serving:
    """address: of the service. loop: where it runs."""

    address: str
    app: FastAPI
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs something on the service's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def organisation(self) -> str:
        """A new organisation that refers; its id."""
        directory = self.app.state.directory
        code = f"org-{next(_numbers)}"
        fresh = Organisation(id=directory.effects.new_id(), code=code, name=code.title(), kind="employment-area")
        self.do(directory.organisations.add(*announce_organisation(fresh)))
        return fresh.id

    def machine(self, key: Key | None = None, *, scopes: tuple[str, ...] = SCOPES, **more: Any) -> Registered:
        """A new machine client, of a new organisation unless one is named."""
        directory, key = self.app.state.directory, key or ECKey.generate_key("P-256", auto_kid=True)
        organisation_id = more.pop("organisation_id", None) or self.organisation()
        public = {**key.as_dict(private=False), "kid": key.thumbprint()}
        fresh = Machine(
            id=directory.effects.new_id(), organisation_id=organisation_id, scopes=scopes, keys=(public,), **more
        )
        self.do(directory.add_client(fresh))
        return Registered(fresh.id, key, organisation_id)

    def client(self, machine: Registered | None = None, **more: Any) -> Client:
        """The client of this project's own package, for a machine."""
        machine = machine or self.machine()
        return Client(self.address, machine.client_id, machine.key.as_dict(private=True), **more)

    @contextmanager
    def coordinator(self) -> Iterator[httpx.Client]:
        """A signed-in coordinator of the project; the API's commands take `x-csrf-token`, which is set."""
        settings, now = self.app.state.settings, system_effects().now()
        seal = SessionSeal(settings.session_keys.get_secret_value(), settings.base_url)
        session = Session(f"session-{next(_numbers)}", COORDINATOR, now, now)
        with httpx.Client(base_url=self.address, cookies={seal.cookie_name: seal.seal(session)}) as http:
            page = http.get("/referral/referrals").text
            http.headers["x-csrf-token"] = page.partition('name="csrf" value="')[2].partition('"')[0]
            yield http


@contextmanager
def serving(mongo_address: str, kafka_address: str, folder: Path) -> Iterator[Serving]:
    """Runs the service in a thread; its databases are dropped afterwards."""
    port, namespace = free_port(), f"s{secrets.token_hex(4)}"
    (folder / "master.key").write_bytes(secrets.token_bytes(96))
    settings = ReferralSettings.model_validate(
        {
            "namespace": namespace,
            "mongo": mongo_address,
            "kafka": kafka_address,
            "webhook_allow": "127.0.0.1",
            "base_url": f"http://127.0.0.1:{port}",
            "session_keys": Fernet.generate_key().decode(),
            "master_key_file": folder / "master.key",
            "identity_codes": "artificial",
            "spare_keys": 2,
            "database_seconds": 30,
            "rate_requests": 1_000_000,
        }
    )
    ready: list[tuple[FastAPI, asyncio.AbstractEventLoop]] = []
    started = threading.Event()
    app = create_api(settings)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="on"))

    async def run() -> None:
        plan = topics.read(ROOT / "deploy" / "kafka" / "topics.yaml")
        await topics.apply(kafka_address, namespace, plan, single_node=True)
        running = asyncio.create_task(server.serve())
        while not server.started and not running.done():
            await asyncio.sleep(0.01)
        stop = asyncio.Event()
        working = asyncio.create_task(create_worker(settings).run(stop))
        await app.state.desk.repository.create_indexes()
        await app.state.directory.create_indexes()
        await _staff(app)
        ready.append((app, asyncio.get_running_loop()))
        started.set()
        await running
        stop.set()
        await working

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert started.wait(30), "the service did not start"
    try:
        yield Serving(settings.base_url, *ready[0])
    finally:
        server.should_exit = True
        thread.join(30)
        drop(mongo_address, namespace)


async def _staff(app: FastAPI) -> None:
    directory = app.state.directory
    member = Staff(
        id=COORDINATOR,
        login="oona.ohjaaja@example.fi",
        name="Oona Ohjaaja",
        roles=("coordinator", "manager"),
        programmes=("kainuu",),
        sessions_valid_from=directory.effects.now(),
    )
    await directory.staff.add(*announce_staff(member))


def drop(mongo_address: str, namespace: str) -> None:
    """Drops the databases of a namespace."""
    with MongoClient[dict[str, Any]](mongo_address) as mongo:
        for name in mongo.list_database_names():
            if name.startswith(f"{namespace}_"):
                mongo.drop_database(name)


def until(ask: Callable[[], T], seconds: float = 30) -> T:
    """Asks again until the answer is true, and gives it."""
    ends = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.05)
    return answer
