"""Keys at an address of the client's own: fetched when needed, seldom, and only from where they may be."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey, OctKey

from polku_events.refusals import Refused, Wrong
from polku_referral.admin.admin import Admin
from polku_referral.door.remote_keys import MAX_BYTES, RemoteKeys
from polku_referral.webhooks.addresses import read_allowed
from polku_runtime.testing import Clock

from .conftest import Sender
from .material import TOWN


@dataclass
class KeyServer:
    """An authority's JWKS address. status, headers: of its answers."""

    keys: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    status: int = 200
    headers: str = ""
    body: bytes | None = None
    address: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
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


@pytest.mark.parametrize(
    "address", ["http://keys.example.fi/jwks", "https://127.0.0.1/jwks", "https://[::1]/jwks", "ftp://x.fi", "jwks"]
)
async def test_addresses_that_are_not_taken(app: FastAPI, address: str) -> None:
    said = {"scopes": ("referrals:read",), "jwks_uri": address}
    with pytest.raises(Refused) as refused:
        await app.state.admin.add_client(None, TOWN, said, None)
    assert refused.value.wrong == (Wrong("jwks_uri", "not-an-address-for-keys"),)
