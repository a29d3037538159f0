"""One client's requests within a window: told in headers, refused with 429, and nobody else's matter."""

import asyncio

import pytest
from fastapi import APIRouter, Depends, FastAPI
from httpx import ASGITransport, AsyncClient

from polku_runtime.access import Principal
from polku_runtime.settings import Settings
from polku_web.app import create_app
from polku_web.doors import client
from polku_web.limits import Limiter

from .conftest import ORIGIN, CardboardDoor

DAY_S = 86_400
"""A window that hardly ever turns while a test counts in it: it begins by the wall clock."""


class ManyClients(CardboardDoor):
    async def client(self, token: str) -> Principal | None:
        return Principal(kind="client", id=token, scopes=frozenset({"things:read"}))


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    router = APIRouter()

    @router.get("/demo/api/v1/things", dependencies=[Depends(client("things:read"))])
    async def things() -> dict[str, str]:
        return {}

    beside = 0

    @router.post("/demo/api/v1/slow", dependencies=[Depends(client("things:read"))])
    async def slow() -> int:
        nonlocal beside
        beside += 1
        most = beside
        for _ in range(10):
            await asyncio.sleep(0)
            most = max(most, beside)
        beside -= 1
        return most

    app = create_app("demo", settings, routers=[router], door=ManyClients(), package="polku_web")
    app.state.door = ManyClients()
    app.state.limiter = Limiter(5, DAY_S, 1)
    return app


async def test_a_client_that_asks_too_much(app: FastAPI) -> None:
    async with AsyncClient(transport=ASGITransport(app), base_url=ORIGIN) as http:

        async def ask(who: str) -> tuple[int, dict[str, str]]:
            answer = await http.get("/demo/api/v1/things", headers={"authorization": f"Bearer {who}"})
            return answer.status_code, dict(answer.headers)

        answers = [await ask("eager") for _ in range(7)]
        assert [status for status, _ in answers] == [200] * 5 + [429] * 2
        assert [headers["ratelimit"].split(";")[1] for _, headers in answers[:6]] == ["r=4", "r=3", "r=2", "r=1", "r=0", "r=0"]  # fmt: skip
        assert answers[5][1]["ratelimit-policy"] == '"default";q=5;w=86400'
        assert "ratelimit" not in answers[6][1], "it was not even read"
        for _, headers in answers[5:]:
            assert 1 <= int(headers["retry-after"]) <= DAY_S
            assert headers["content-type"] == "application/problem+json"
        assert (await ask("calm"))[0] == 200


async def test_only_so_many_writes_of_one_client_run_side_by_side(app: FastAPI) -> None:
    app.state.limiter = Limiter(1000, 1, 2)
    async with AsyncClient(transport=ASGITransport(app), base_url=ORIGIN) as http:

        async def write(who: str) -> int:
            return (await http.post("/demo/api/v1/slow", headers={"authorization": f"Bearer {who}"})).json()

        assert max(await asyncio.gather(*(write("one") for _ in range(6)))) == 2
        assert max(await asyncio.gather(*(write(f"client-{number}") for number in range(6)))) == 6
