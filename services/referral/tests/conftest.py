"""A running referral service without Kafka: its app over a real mongod, a sender's machine, people who sign in."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from typer.testing import CliRunner, Result

from polku_referral import audit, cli, intake
from polku_referral.app import create_api
from polku_referral.batch.jobs import Jobs
from polku_referral.batch.jobs_store import JobStore
from polku_referral.desk import Desk
from polku_referral.directory import Directory
from polku_referral.door.accounts import Accounts
from polku_referral.door.oauth import TOKEN
from polku_referral.model.directory import Client as Machine
from polku_referral.model.directory import Organisation, Staff, announce_organisation, announce_staff
from polku_referral.settings import ReferralSettings
from polku_runtime.effects import Effects
from polku_runtime.lease import LEASE_S, Lease
from polku_runtime.mongo import Client
from polku_runtime.testing import Clock, event
from polku_web.testing import Person, SignIn, signing_in
from polku_web.testing import fields_of as form_of

from .material import API, COORDINATOR, COUNTY, PAGES, STAFF, TOWN, assertion, body, token_form
from .signing_in import PASSWORD
from .terminal import Polku

__all__ = ["Person", "SignIn", "event", "form_of"]
"""What these tests take from the libraries."""

ALL_SCOPES = ("referrals:write", "referrals:read")
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round waits long for MongoDB here, as `database_seconds` does: a busy machine is no outage."""
    monkeypatch.setattr(intake, "ROUND_SECONDS", 30)
    monkeypatch.setattr(audit, "SECONDS", 30)


@pytest.fixture
def referral_settings(environment: dict[str, object], tmp_path: Path) -> ReferralSettings:
    key_file = tmp_path / "master.key"
    key_file.write_bytes(secrets.token_bytes(96))
    more = {"master_key_file": key_file, "identity_codes": "artificial", "spare_keys": 2}
    return ReferralSettings.model_validate({**environment, **more})


@pytest.fixture
async def app(referral_settings: ReferralSettings, mongo_client: Client, effects: Effects) -> AsyncIterator[FastAPI]:
    """The service with two organisations that send and the staff of `material.STAFF`."""
    del mongo_client  # it drops the databases afterwards
    app = create_api(referral_settings, effects=effects)
    async with app.router.lifespan_context(app):
        await app.state.desk.repository.create_indexes()
        await app.state.directory.create_indexes()
        await _people(app.state.directory)
        yield app


async def _people(directory: Directory) -> None:
    for organisation_id, code in ((TOWN, "kajaani"), (COUNTY, "kainuu-hyvinvointi")):
        fresh = Organisation(id=organisation_id, code=code, name=code.title(), kind="employment-area")
        await directory.organisations.add(*announce_organisation(fresh))
    for staff_id, rights in STAFF.items():
        login = f"{rights['name'].split()[0].lower()}@example.fi"
        member = Staff(id=staff_id, login=login, sessions_valid_from=directory.effects.now(), **rights)
        await directory.staff.add(*announce_staff(member))


@pytest.fixture
def desk(app: FastAPI) -> Desk:
    found: Desk = app.state.desk
    return found


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """`browser()` → an HTTP client of the app; what the app raises would be a failing test."""
    async with AsyncExitStack() as stack:
        clients: list[httpx.AsyncClient] = []

        def made(**more: Any) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app)
            clients.append(httpx.AsyncClient(transport=transport, base_url=app.state.settings.base_url, **more))
            stack.push_async_callback(clients[-1].aclose)
            return clients[-1]

        yield made


@dataclass
class Sender:
    """A machine of an organisation, with its key and, after `sign_on`, a token."""

    http: httpx.AsyncClient
    clock: Clock
    client_id: str
    key: ECKey
    headers: dict[str, str] = field(default_factory=dict)

    def assertion(self, **changes: Any) -> str:
        changes = {"jti": f"jti-{next(_numbers):08}", **changes}
        return assertion(self.client_id, self.key, int(self.clock.now.timestamp()), **changes)

    async def sign_on(self, scope: str = "") -> httpx.Response:
        answer = await self.http.post(TOKEN, data=token_form(self.assertion(), scope=scope))
        if answer.status_code == 200:
            self.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer

    async def post(self, sent: Any, query: str = "", **headers: str) -> httpx.Response:
        """Bytes are sent as they are, everything else as JSON."""
        content = {"content": sent} if isinstance(sent, bytes) else {"json": sent}
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        headers = {"content-type": "application/json", **self.headers, **more}
        return await self.http.post(f"{API}/referrals{query}", headers=headers, **content)  # type: ignore[arg-type]

    async def get(self, address: str) -> httpx.Response:
        return await self.http.get(f"{API}{address}", headers=self.headers)

    async def told(self, referral_id: str) -> dict[str, Any]:
        """One referral as its sender reads it."""
        shown: dict[str, Any] = (await self.get(f"/referrals/{referral_id}")).json()
        return shown

    async def command(self, referral_id: str, name: str, sent: object, version: int | None) -> httpx.Response:
        headers = {**self.headers, **({} if version is None else {"if-match": f'"{version}"'})}
        return await self.http.post(f"{API}/referrals/{referral_id}/{name}", json=sent, headers=headers)

    async def sent(self, external_id: str = "TE-2026-000123", **changes: Any) -> dict[str, Any]:
        """A referral that was taken in, as the answer shows it."""
        answer = await self.post(body(external_id, **changes))
        assert answer.status_code == 201, answer.text
        shown: dict[str, Any] = answer.json()
        return shown


@pytest.fixture
def enrol(app: FastAPI, browser: Callable[..., httpx.AsyncClient], clock: Clock) -> Callable[..., Any]:
    """`await enrol(COUNTY, scopes=…)` → a Sender that is known and has a token."""

    async def made(organisation_id: str = TOWN, scopes: tuple[str, ...] = ALL_SCOPES, *, test: bool = False) -> Sender:
        key = ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)
        client_id = app.state.effects.new_id()
        public = dict(key.as_dict(private=False))
        await app.state.directory.add_client(
            Machine(id=client_id, organisation_id=organisation_id, scopes=scopes, keys=(public,), test=test)
        )
        sender = Sender(browser(), clock, client_id, key)
        assert (await sender.sign_on()).status_code == 200
        return sender

    return made


@pytest.fixture
async def sender(enrol: Callable[..., Any]) -> Sender:
    """A machine of TOWN."""
    made: Sender = await enrol()
    return made


@pytest.fixture
async def sign_in(app: FastAPI, effects: Effects) -> AsyncIterator[SignIn]:
    """`await sign_in(MANAGER)` → a Person; one app serves them all."""
    async with signing_in(app, effects, api=API, form=PAGES) as given:
        yield given


@pytest.fixture
async def me(sign_in: SignIn) -> Person:
    """A coordinator of the programme."""
    made: Person = await sign_in(COORDINATOR)
    return made


async def said(desk: Desk, name: str = "referrals") -> list[str]:
    """The types of all events in the outboxes of a collection, in the order of documents and versions."""
    rows = desk.repository.database[name].find({}).sort("_id")
    return [entry["type"] async for row in rows for entry in row["outbox"]]


@pytest.fixture
def store(app: FastAPI) -> JobStore:
    found: JobStore = app.state.jobs
    return found


@pytest.fixture
def worker(app: FastAPI, store: JobStore, desk: Desk, clock: Clock) -> Callable[[], Jobs]:
    """`worker()` → the part of a worker that does jobs, as one that has just started; the lease of others is over."""

    def started() -> Jobs:
        clock.advance(seconds=LEASE_S + 1)
        return Jobs(store, desk, Lease(app.state.database, "jobs", desk.effects), poll_s=0)

    return started


@pytest.fixture
async def accounts(app: FastAPI) -> Accounts:
    """COORDINATOR has a password. Hashing costs next to nothing here; how dear it really is has a test of its own."""
    found: Accounts = app.state.accounts
    found._hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    assert await found.open_link(await found.make_link(COORDINATOR), PASSWORD) is not None
    return found


@pytest.fixture
def polku(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Polku:
    """`await polku("staff", "invite", …)` → the result, as a person at the terminal gets it."""
    settings = app.state.settings
    monkeypatch.setenv("POLKU_MONGO", settings.mongo)
    monkeypatch.setenv("POLKU_NAMESPACE", settings.namespace)
    monkeypatch.setenv("POLKU_SESSION_KEYS", settings.session_keys.get_secret_value())
    monkeypatch.setenv("POLKU_BASE_URL", settings.base_url)
    monkeypatch.setenv("POLKU_MASTER_KEY_FILE", str(settings.master_key_file))

    async def run(*arguments: str) -> Result:
        # In a thread: the command runs a loop of its own.
        return await asyncio.to_thread(CliRunner().invoke, cli.app, list(arguments))

    return run
