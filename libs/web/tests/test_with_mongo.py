"""Against a real MongoDB: the change stream, the stream over HTTP, sessions and staff, trouble in time."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, FastAPI
from pymongo.read_concern import ReadConcern
from starlette.requests import Request

from polku_runtime import mongo
from polku_runtime.access import Session, SessionSeal
from polku_runtime.effects import Effects
from polku_runtime.mongo import Client, Database
from polku_runtime.settings import Settings
from polku_runtime.testing import Clock
from polku_web.app import create_app
from polku_web.changes import Change, Opened, changes
from polku_web.door import open_door

PATIENCE_S = 1.2
"""More than one wait of the change stream for news."""


@pytest.fixture
def database(mongo_client: Client, settings: Settings) -> Database:
    return mongo.database(mongo_client, settings, "demo")


@pytest.fixture
async def hasty(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """The same database by a client that gives up soon: after PATIENCE_S."""
    monkeypatch.setattr(mongo, "TIMEOUT_MS", int(PATIENCE_S * 1000))
    async with mongo.connect(settings) as client:
        yield mongo.database(client, settings, "demo")


async def test_the_database_wakes_and_positions_grow(database: Database, hasty: Database) -> None:
    await database["referrals"].insert_one({"_id": "before"})
    source = changes(hasty, ["referrals"])
    opened = await anext(source)
    assert isinstance(opened, Opened)
    await database["others"].insert_one({"_id": "x"})
    await database["referrals"].insert_one({"_id": "r-1"})
    await database["referrals"].update_one({"_id": "r-1"}, {"$set": {"a": 1}})
    first, second = [await asyncio.wait_for(anext(source), 5) for _ in range(2)]
    assert isinstance(first, Change)
    assert (first.collection, first.id) == ("referrals", "r-1")
    assert opened.at < first.at < second.at
    # Longer than the client's own timeout: waiting for changes is not trouble.
    coming = asyncio.ensure_future(anext(source))
    await asyncio.sleep(PATIENCE_S + 0.4)
    assert not coming.done()
    await database["referrals"].delete_one({"_id": "r-1"})
    assert (await asyncio.wait_for(coming, 5)).at > second.at
    await source.aclose()


async def test_a_stream_that_breaks_goes_on_without_a_gap(database: Database, mongo_client: Client) -> None:
    await database["referrals"].insert_one({"_id": "before"})
    source = changes(database, ["referrals"])
    await anext(source)
    await database["referrals"].insert_one({"_id": "r-1"})
    await anext(source)
    coming = asyncio.ensure_future(anext(source))
    await asyncio.sleep(0.1)
    admin = mongo_client.get_database("admin", read_concern=ReadConcern("local"))
    found = await admin.aggregate([{"$currentOp": {"idleCursors": True, "allUsers": True}}])
    killed = [
        operation["cursor"]["cursorId"]
        async for operation in found
        if "cursor" in operation and operation["ns"].startswith(f"{database.name}.")
    ]
    assert killed, "there was a stream to break"
    await database.command("killCursors", "$cmd.aggregate", cursors=killed)
    await database["referrals"].insert_one({"_id": "r-2"})
    change = await asyncio.wait_for(coming, 10)
    assert isinstance(change, Change), "it did not have to start anew"
    assert change.id == "r-2"
    await source.aclose()


async def sign_in(database: Database, effects: Effects, settings: Settings, **changes: object) -> dict[str, str]:
    now = effects.now()
    member = {"roles": ["coordinator"], "active": True, "sessions_valid_from": now - timedelta(days=1), "version": 1}
    await database["staff"].replace_one({"_id": "s-1"}, member | changes, upsert=True)
    seal = SessionSeal(settings.session_keys.get_secret_value(), settings.base_url)
    return {seal.cookie_name: seal.seal(Session("session-1", "s-1", now, now))}


def asking(cookies: dict[str, str]) -> Request:
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return Request({"type": "http", "method": "GET", "path": "/demo/", "query_string": b"", "server": ("x", 80),
                    "scheme": "http", "headers": [(b"cookie", cookie.encode())]})  # fmt: skip


async def test_sessions_are_opened_renewed_and_ended(
    database: Database, settings: Settings, effects: Effects, clock: Clock
) -> None:
    door = open_door(settings, database, effects)
    cookies = await sign_in(database, effects, settings)
    visit = await door.visit(asking(cookies))
    assert visit is not None
    assert (visit.principal.id, visit.principal.roles, visit.cookie) == ("s-1", {"coordinator"}, None)
    assert await door.visit(asking({})) is None
    assert await door.visit(asking({name: value[:-4] + "AAAA" for name, value in cookies.items()})) is None

    clock.advance(minutes=29)
    renewed = await door.visit(asking(cookies))
    assert renewed is not None
    assert renewed.cookie is not None
    assert renewed.cookie.startswith("polku=")
    assert renewed.cookie.endswith("; Path=/; HttpOnly; SameSite=Lax")
    clock.advance(minutes=2)
    assert await door.visit(asking(cookies)) is None, "idle for more than half an hour"
    assert await door.visit(asking({"polku": renewed.cookie.split(";")[0].removeprefix("polku=")})) is not None

    cookies = await sign_in(database, effects, settings, active=False)
    assert await door.visit(asking(cookies)) is None
    cookies = await sign_in(database, effects, settings, sessions_valid_from=clock() + timedelta(seconds=1))
    assert await door.visit(asking(cookies)) is None


@pytest.fixture
async def served(settings: Settings, effects: Effects) -> AsyncIterator[str]:
    """The demo app behind a real server, since a test transport would not stream."""
    app = create_app(
        "demo", settings, routers=[APIRouter()], live={"referrals": ["inbox"]}, effects=effects, package="polku_web"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await task


async def test_a_change_reaches_an_open_page_and_a_returning_one(
    served: str, database: Database, effects: Effects, settings: Settings
) -> None:
    cookies = await sign_in(database, effects, settings)
    async with httpx.AsyncClient(base_url=served, cookies=cookies, timeout=5) as http:
        assert (await http.get("/demo/health/ready")).json() == {"status": "ok"}
        probed = await http.head("/demo/health/ready")
        assert (probed.status_code, probed.content) == (200, b"")
        assert (await http.head("/demo/live")).status_code == 405  # a stream would never end
        async with http.stream("GET", "/demo/live") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["content-security-policy"]
            lines = answer.aiter_lines()
            assert [await anext(lines), await anext(lines)] == [": open", "retry: 1000"]
            await anext(lines)
            started = time.perf_counter()
            await database["referrals"].insert_one({"_id": "r-1"})
            event = [await anext(lines) for _ in range(3)]
            assert time.perf_counter() - started < 5  # a page that is not woken asks again after a minute
            assert event[1:] == ["event: polku:inbox", "data: "]
            position = int(event[0].removeprefix("id: "))
        async with http.stream("GET", "/demo/live?since=1", headers={"last-event-id": str(position - 1)}) as answer:
            lines = answer.aiter_lines()
            assert [await anext(lines) for _ in range(4)][3] == event[0]
        async with http.stream("GET", "/demo/live?since=1") as answer:
            lines = answer.aiter_lines()
            assert [await anext(lines) for _ in range(5)][4] == "event: polku:reset"


async def test_the_stream_is_for_people_signed_in(served: str) -> None:
    async with httpx.AsyncClient(base_url=served) as http:
        answer = await http.get("/demo/live")
        assert (answer.status_code, answer.json()["code"]) == (401, "not-signed-in")


async def test_no_database_is_503_within_two_seconds(settings: Settings, effects: Effects) -> None:
    usual = Settings.model_fields["database_seconds"].default

    def made(address: str) -> FastAPI:
        gone = settings.model_copy(update={"mongo": f"mongodb://{address}/?replicaSet=rs0", "database_seconds": usual})
        return create_app("demo", gone, routers=[], effects=effects, live={"referrals": ["inbox"]}, package="polku_web")

    async def ask(app: FastAPI) -> None:
        seal = SessionSeal(settings.session_keys.get_secret_value(), settings.base_url)
        cookies = {seal.cookie_name: seal.seal(Session("x", "s-1", effects.now(), effects.now()))}
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x", cookies=cookies) as http,
        ):
            started = time.perf_counter()
            live, ready = await asyncio.gather(http.get("/demo/live"), http.get("/demo/health/ready"))
            assert time.perf_counter() - started < 2
            assert (live.status_code, ready.status_code) == (503, 503)
            assert live.headers["retry-after"] == "2"

    with socket.socket() as silent:  # it accepts and never answers, like a server that is stopped
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        apps = [made(f"127.0.0.1:{silent.getsockname()[1]}"), made("127.0.0.1:9")]  # before the time is taken
        await asyncio.gather(*map(ask, apps))
