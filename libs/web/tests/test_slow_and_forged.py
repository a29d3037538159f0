"""What comes over the wire before any framework sees it: senders that never end, and heads that say two things."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from polku_runtime import process, protocol
from polku_web import bodies

HEAD = "POST /demo/api/v1/things HTTP/1.1\r\nHost: polku\r\nAuthorization: Bearer good+things:write\r\n"
JSON = "Content-Type: application/json\r\n"
MANY = 200


@pytest.fixture
async def port(demo: FastAPI, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """The demo app as a process would serve it, with little patience."""
    monkeypatch.setattr(protocol, "HEAD_S", 0.5)
    monkeypatch.setattr(bodies, "BODY_S", 0.5)
    monkeypatch.setattr(bodies, "SLOWEST", bodies.MAX_BYTES * 100)
    server = process.serve(demo, "127.0.0.1", unused_tcp_port)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield unused_tcp_port
    server.should_exit = True
    await running


async def said(port: int, sent: str) -> str:
    """What a server answers to these bytes until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent.encode("latin-1"))
    with suppress(ConnectionError):
        async with asyncio.timeout(10):
            answer = await reader.read()
    writer.close()
    return answer.decode("latin-1")


async def test_many_that_never_end_their_head_are_hung_up_on_and_others_are_answered(port: int) -> None:
    began = time.monotonic()
    slow = [asyncio.create_task(said(port, HEAD)) for _ in range(MANY)]
    async with AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        while not all(task.done() for task in slow):
            assert (await http.get("/demo/health/live")).status_code == 200
    assert [task.result() for task in slow] == [""] * MANY
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("part", ["X: ", "X: a\r\n" * 12])
async def test_a_head_that_only_grows_is_refused(port: int, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", 30.0)
    answer = await said(port, f"GET /demo/health/live HTTP/1.1\r\nHost: polku\r\n{part}" + "a" * 70_000)
    assert answer.startswith("HTTP/1.1 400 ")
    whole = f"GET /demo/health/live HTTP/1.1\r\nHost: polku\r\nConnection: close\r\nX: {'a' * 30_000}\r\n\r\n"
    assert (await said(port, whole)).startswith("HTTP/1.1 200 ")


async def test_a_body_that_nobody_reads_is_no_head_of_the_next_request(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /demo/nowhere HTTP/1.1\r\nHost: polku\r\nContent-Length: 300000\r\n\r\n")
    assert b" 413 " in await reader.readline()
    for _ in range(30):
        writer.write(b"x" * 10_000)
        await writer.drain()
        await asyncio.sleep(0.03)  # longer in all than a head may take
    writer.write(b"GET /demo/health/live HTTP/1.1\r\nHost: polku\r\nConnection: close\r\n\r\n")
    rest = await reader.read()
    writer.close()
    assert b"HTTP/1.1 200 OK" in rest
    assert b"HTTP/1.1 400" not in rest


async def test_a_second_request_has_its_time_too(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /demo/health/live HTTP/1.1\r\nHost: polku\r\n\r\n")
    assert b"200 OK" in await reader.readline()
    writer.write(b"GET /demo/health/live HT")
    async with asyncio.timeout(4):
        await reader.read()
    writer.close()


async def test_a_body_that_never_ends_is_408_and_the_end(port: int) -> None:
    answer = await said(port, f'{HEAD}{JSON}Content-Length: 100\r\n\r\n{{"external_id": ')
    assert answer.startswith("HTTP/1.1 408 ")
    assert "connection: close" in answer
    assert '"code":"too-slow"' in answer


@pytest.mark.parametrize(
    "forged",
    [
        "Content-Length: 2\r\nContent-Length: 40\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 2, 40\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x2\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Content-Length : 2\r\n",
        " Folded: x\r\nContent-Length: 2\r\n",
    ],
)
async def test_a_head_that_says_two_things_is_refused(port: int, forged: str) -> None:
    """Another reader of the same bytes might see another request: a gateway, say."""
    answer = await said(
        port, f"{HEAD}{JSON}Connection: close\r\n{forged}\r\n{{}}GET /demo/health/live HTTP/1.1\r\n\r\n"
    )
    assert answer.startswith("HTTP/1.1 400 ")
    assert answer.count("HTTP/1.1 ") == 1
