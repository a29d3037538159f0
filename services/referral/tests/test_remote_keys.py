"""Keys at an address of the client's own: fetched when needed, seldom, and only from where they may be."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey, OctKey

from polku_events.refusals import Refused, Wrong
from polku_referral.admin.admin import Admin
from polku_referral.door.remote_keys import MAX_BYTES, RemoteKeys
from polku_referral.webhooks.addresses import read_allowed
from polku_runtime.testing import Clock

from .conftest import Sender, SignIn
from .material import MANAGER, TOWN

SILENT = 12
"""More addresses than httpcore's pool has connections by itself."""


@dataclass
class KeyServer:
    """An authority's JWKS address. status, headers: of its answers."""

    keys: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    status: int = 200
    headers: str = ""
    body: bytes | None = None
    open: asyncio.Event = field(default_factory=asyncio.Event)
    address: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        await self.open.wait()
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        head = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{self.headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    def publish(self, *keys: Any) -> None:
        self.keys = [dict(key.as_dict(private=False)) for key in keys]


@pytest.fixture
async def key_server() -> AsyncIterator[KeyServer]:
    found = KeyServer()
    found.open.set()
    server = await asyncio.start_server(found.answer, "127.0.0.1", 0)
    found.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    async with server:
        yield found


@pytest.fixture
async def machine(app: FastAPI, sender: Sender, key_server: KeyServer) -> Sender:
    """A machine of TOWN whose keys are at the key server, which the operator allows."""
    admin: Admin = app.state.admin
    allowed = read_allowed("127.0.0.1")
    app.state.tokens.remote_keys = RemoteKeys(allowed, app.state.effects)
    trusting = Admin(admin.directory, admin.agreements, admin.audit, admin.codes, allowed, admin.effects)
    said = {"name": "Own keys", "scopes": ("referrals:read",), "jwks_uri": key_server.address}
    made, private = await trusting.add_client(None, TOWN, said, None)
    assert (private, made.keys) == (None, ())
    key_server.publish(sender.key)
    sender.client_id = made.id
    return sender


@pytest.fixture
def comes_in(machine: Sender) -> Callable[[ECKey], Any]:
    async def tried(key: ECKey) -> bool:
        machine.key = key
        return (await machine.sign_on()).status_code == 200

    return tried


async def test_a_key_is_fetched_once(machine: Sender, comes_in: Any, key_server: KeyServer) -> None:
    assert all([await comes_in(machine.key) for _ in range(5)])
    assert key_server.asked == 1


async def test_a_new_key_is_found_and_an_old_one_forgotten(
    machine: Sender, comes_in: Any, key_server: KeyServer, clock: Clock
) -> None:
    old, new = machine.key, ECKey.generate_key("P-256", auto_kid=True)
    assert await comes_in(old)
    key_server.publish(old, new)
    for _ in range(10):  # strangers and the impatient: the address is not asked again at once
        assert not await comes_in(new)
    assert key_server.asked == 1
    clock.advance(seconds=60)
    assert await comes_in(new)
    assert key_server.asked == 2
    key_server.publish(new)
    assert await comes_in(old)
    clock.advance(minutes=5)
    assert not await comes_in(old)
    assert await comes_in(new)


async def test_a_silent_address_is_borne_for_an_hour(
    machine: Sender, comes_in: Any, key_server: KeyServer, clock: Clock
) -> None:
    assert await comes_in(machine.key)
    key_server.status = 503
    clock.advance(minutes=59)
    assert await comes_in(machine.key)
    clock.advance(minutes=2)
    assert not await comes_in(machine.key)
    key_server.status = 200
    clock.advance(minutes=1)
    assert await comes_in(machine.key)


async def test_a_slow_address_keeps_nobody_waiting(
    app: FastAPI, machine: Sender, key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polku_referral.door.remote_keys.WAIT_S", 0.05)
    key_server.open.clear()
    for _ in range(3):
        answer = await machine.sign_on()
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert int(answer.headers["retry-after"]) > 0
    key_server.open.set()
    async with asyncio.timeout(10):
        while (await machine.sign_on()).status_code != 200:
            await asyncio.sleep(0.01)
    assert key_server.asked == 1  # what it was asked for at first went on
    reasons = [row["detail"] async for row in app.state.database["audit"].find({"action": "client-refused"})]
    assert len(reasons) >= 3
    assert set(reasons) == {"keys-not-fetched"}


async def test_a_failure_is_believed_for_ten_seconds(machine: Sender, key_server: KeyServer, clock: Clock) -> None:
    key_server.status = 500
    for _ in range(5):
        assert (await machine.sign_on()).status_code == 503
    assert key_server.asked == 1
    key_server.status = 200
    clock.advance(seconds=10)
    assert (await machine.sign_on()).status_code == 200


async def test_another_key_than_those_at_the_address(machine: Sender) -> None:
    assert (await machine.sign_on()).status_code == 200
    machine.key = ECKey.generate_key("P-256")
    answer = await machine.sign_on()
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_page_shows_what_the_address_gives(
    app: FastAPI, machine: Sender, key_server: KeyServer, sign_in: SignIn, clock: Clock
) -> None:
    me = await sign_in(MANAGER)
    here = f"/referral/organisations/{TOWN}/clients/{machine.client_id}"
    key_server.status = 404
    assert "has not given any keys so far" in (await me.get(here)).text
    key_server.status = 200
    clock.advance(seconds=10)
    assert machine.key.thumbprint() in (await me.get(here)).text
    key_server.status = 500
    clock.advance(minutes=5)
    page = (await me.get(here)).text
    assert "did not answer when it was asked last" in page
    assert machine.key.thumbprint() in page
    key_server.status, key_server.keys = 200, []
    clock.advance(minutes=1)
    assert "gives no key that can be used" in (await me.get(here)).text


async def test_a_registered_address_is_asked_before_the_first_token(
    app: FastAPI, machine: Sender, key_server: KeyServer, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state, "admin", replace(app.state.admin, allowed=read_allowed("127.0.0.1")))
    me = await sign_in(MANAGER)
    await me.get(f"/referral/organisations/{TOWN}/clients/add")
    filled = {"csrf": me.csrf, "scopes": ["referrals:read"], "jwks_uri": key_server.address}
    assert (await me.http.post(f"/referral/organisations/{TOWN}/clients/add", data=filled)).status_code == 200
    async with asyncio.timeout(10):
        while not key_server.asked:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "answers",
    [
        {"status": 302, "headers": "location: http://127.0.0.1:1/jwks\r\n"},
        {"status": 404},
        {"body": b"{"},
        {"body": b"[]"},
        {"body": b'{"keys": 5}'},
        {"body": b"[" * 50_000},
        {"body": b'{"keys": [], "more": "' + b"x" * MAX_BYTES + b'"}'},
        {"keys": [OctKey.generate_key(256).as_dict(private=True), {"kty": "EC"}, 5, None]},
    ],
    ids=["redirect", "not found", "no json", "a list", "a number", "nested", "too large", "no fit key"],
)
async def test_addresses_that_give_no_keys(
    machine: Sender, comes_in: Any, key_server: KeyServer, answers: dict[str, Any]
) -> None:
    for name, value in answers.items():
        setattr(key_server, name, value)
    assert not await comes_in(machine.key)
    assert not await comes_in(machine.key)
    assert key_server.asked == 1


async def test_an_address_that_leads_inside_is_never_asked(
    app: FastAPI, machine: Sender, comes_in: Any, key_server: KeyServer
) -> None:
    """It was public when it was registered; its name leads to another address now."""
    app.state.tokens.remote_keys = RemoteKeys(read_allowed(""), app.state.effects)
    assert not await comes_in(machine.key)
    assert key_server.asked == 0


async def test_many_silent_addresses_keep_no_other_waiting(app: FastAPI, key_server: KeyServer) -> None:
    remote, silent, held = RemoteKeys(read_allowed("127.0.0.1"), app.state.effects), [], asyncio.Event()

    async def stand_still(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.append(writer)
        if len(silent) == SILENT:
            held.set()

    key_server.publish(ECKey.generate_key("P-256", auto_kid=True))
    async with await asyncio.start_server(stand_still, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for number in range(SILENT):
            await remote.look(f"{address}/{number}", wait_s=0)
        async with asyncio.timeout(4):  # less than an address is given
            await held.wait()
            found = await remote.look(key_server.address, wait_s=4)
        await remote.close()
        for writer in silent:
            writer.close()
    assert found is not None
    assert len(found.keys) == 1


@pytest.mark.parametrize(
    "address", ["http://keys.example.fi/jwks", "https://127.0.0.1/jwks", "https://[::1]/jwks", "ftp://x.fi", "jwks"]
)
async def test_addresses_that_are_not_taken(app: FastAPI, address: str) -> None:
    said = {"scopes": ("referrals:read",), "jwks_uri": address}
    with pytest.raises(Refused) as refused:
        await app.state.admin.add_client(None, TOWN, said, None)
    assert refused.value.wrong == (Wrong("jwks_uri", "not-an-address-for-keys"),)
