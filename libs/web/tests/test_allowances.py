"""An address that takes more than others: larger bodies of its own types, as they come, and its own time."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from httpx import ASGITransport, AsyncClient
from pymongo import _csot
from starlette.requests import Request
from starlette.types import Message

from polku_runtime.settings import Settings
from polku_web import bodies
from polku_web.app import create_app
from polku_web.bodies import MAX_BYTES, Allowance
from polku_web.edge import DATABASE_SECONDS

from .conftest import CardboardDoor

LINES = {"content-type": "application/x-ndjson"}
MANY, SLOW, ONE = "/demo/api/v1/many", "/demo/api/v1/slow", "/demo/api/v1/one"
ALLOWANCES = {
    MANY: Allowance(types=("application/x-ndjson",), max_bytes=3 * MAX_BYTES),
    SLOW: Allowance(types=("application/x-ndjson",), max_bytes=MAX_BYTES, database_seconds=30),
}


@pytest.fixture
async def http(demo_settings: Settings) -> AsyncIterator[AsyncClient]:
    router = APIRouter()

    async def told(request: Request) -> dict[str, Any]:
        parts = [len(part) async for part in request.stream()]
        return {"parts": [part for part in parts if part], "seconds": _csot.remaining()}

    for address in (MANY, SLOW, ONE):
        router.add_api_route(address, told, methods=["POST"])
    app: FastAPI = create_app(
        "demo", demo_settings, routers=[router], door=CardboardDoor(), package="polku_web", allowances=ALLOWANCES
    )
    async with app.router.lifespan_context(app), AsyncClient(transport=ASGITransport(app), base_url="http://x") as made:
        yield made


async def in_parts(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_a_larger_body_comes_part_by_part(http: AsyncClient) -> None:
    answer = await http.post(MANY, content=in_parts(b"x" * MAX_BYTES, b"y" * MAX_BYTES), headers=LINES)
    assert answer.json() == {"parts": [MAX_BYTES, MAX_BYTES], "seconds": None}


async def test_one_that_is_too_large_is_refused_by_what_it_says_and_by_what_comes(http: AsyncClient) -> None:
    whole = await http.post(MANY, content=b"x" * (3 * MAX_BYTES + 1), headers=LINES)
    parts = await http.post(MANY, content=in_parts(*[b"x" * MAX_BYTES] * 4), headers=LINES)
    elsewhere = await http.post(ONE, content=b"x" * (MAX_BYTES + 1), headers={"content-type": "application/json"})
    assert [answer.status_code for answer in (whole, parts, elsewhere)] == [413] * 3
    assert parts.json()["code"] == "too-large"


@pytest.mark.parametrize(
    "headers", [{"content-type": "application/json"}, {}, {**LINES, "content-encoding": "gzip"}, {"content-type": "x"}]
)
async def test_other_types_are_refused(http: AsyncClient, headers: dict[str, str]) -> None:
    assert (await http.post(MANY, content=b"{}", headers=headers)).status_code == 415


async def test_each_address_has_its_own_time_for_the_database(http: AsyncClient) -> None:
    many, slow = [(await http.post(address, content=b"x", headers=LINES)).json()["seconds"] for address in (MANY, SLOW)]
    one = (await http.post(ONE, json={})).json()["seconds"]
    assert many is None
    assert DATABASE_SECONDS < slow <= 30
    assert one <= DATABASE_SECONDS


async def test_a_client_that_hangs_up_in_the_middle_is_no_answer() -> None:
    coming: list[Message] = [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return coming.pop(0)

    scope = {"type": "http", "method": "POST", "path": MANY, "headers": [(b"content-type", b"application/x-ndjson")]}
    measured = await bodies.checked(scope, receive, ALLOWANCES[MANY])
    assert (await measured())["body"] == b"x"
    with pytest.raises(bodies.ClientGone):
        await measured()
