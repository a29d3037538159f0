"""What is measured on a whole running installation: start, idle, intake, freshness."""

import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psutil
from tests.installation import Installation, body, installed, started

from bench.figure import Figure
from polku_embedded.servers import free_port
from polku_embedded.world.colleague import Colleague
from polku_embedded.world.sender import REFERRALS

IDLE_S, INTAKE_S, CONNECTIONS = 20, 12, 16
RATE, FRESH_S = 50, 40
FIGURES = "/indicators/api/v1/programmes/kainuu/figures"
_numbers = itertools.count(1)


def measure(folder: Path) -> Iterator[Figure]:
    data = folder / "data"
    with installed(data) as installation:
        yield from idle(installation)
        yield from asyncio.run(intake(installation))
        yield from asyncio.run(freshness(installation))
    yield restart(data)


def idle(installation: Installation) -> Iterator[Figure]:
    """CPU and memory with nobody there."""
    time.sleep(5)  # what starting left to do
    children = {name: psutil.Process(child["pid"]) for name, child in installation.state()["children"].items()}
    ours = [children["web"], children["worker"]]
    before = sum(_cpu(process) for process in ours)
    time.sleep(IDLE_S)
    used = (sum(_cpu(process) for process in ours) - before) / IDLE_S
    memory = {name: process.memory_info().rss / 2**20 for name, process in children.items()}
    yield Figure("idle CPU, web and worker", used * 100, "% of a core", at_most=3)
    yield Figure("idle memory, web and worker", memory["web"] + memory["worker"], "MB", at_most=400)
    yield Figure("idle memory, all four children", sum(memory.values()), "MB", at_most=1300)


async def intake(installation: Installation) -> list[Figure]:
    """POSTs with their durable receipts over 16 connections, beside a bare insert on the same mongod."""
    async with installation.sender() as sender:
        token = await sender.token()
        headers = {"authorization": f"Bearer {token}"}
        ours = await _posts_a_second(installation.address + REFERRALS, headers)
    async with _ceiling(installation) as address:
        ceiling = await _posts_a_second(address, {})
    name = "FastAPI + pydantic + one majority insert"
    return [Figure("intake, 16 connections", ours, "POST/s", ceiling, name, least_share=0.7)]


async def freshness(installation: Installation) -> list[Figure]:
    """From sending a POST until a reader, woken by the stream, sees it in the inbox's wake and in the figure."""
    sent: list[float] = []
    inbox: list[float] = []
    counted: list[float] = []
    async with installation.sender() as sender, installation.signed_in("manager", f"bench{next(_numbers)}") as reader:
        headers = {"authorization": f"Bearer {await sender.token()}"}
        base = await _received(reader)
        wakes: list[float] = []
        listening = [
            asyncio.create_task(_listen(reader, "/referral/live?topic=referrals", _note(wakes))),
            asyncio.create_task(
                _listen(reader, "/indicators/live?topic=figures-kainuu", lambda: _count(reader, base, counted))
            ),
        ]
        await asyncio.sleep(2)

        async def push(http: httpx.AsyncClient, number: int) -> None:
            began = time.perf_counter()
            sent.append(began)
            answer = await http.post(REFERRALS, json=body(f"FRESH-{number}", number, seed=3), headers=headers)
            answer.raise_for_status()
            done = time.perf_counter()
            # The first wake after the answer: an upper bound, the wake that told of it may have come before.
            while not wakes or wakes[-1] < done:
                await asyncio.sleep(0.001)
            inbox.append(next(moment for moment in reversed(wakes) if moment >= done) - began)

        async with httpx.AsyncClient(base_url=installation.address, timeout=10) as http:
            posts = []
            for number in range(RATE * FRESH_S):
                posts.append(asyncio.create_task(push(http, number)))
                await asyncio.sleep(max(0.0, posts_due(sent, number)))
            await asyncio.gather(*posts)
        for _ in range(100):
            if len(counted) >= len(sent):
                break
            await asyncio.sleep(0.1)
        for task in listening:
            task.cancel()
    whole = [seen - began for seen, began in zip(counted, sent, strict=False)]
    return [
        Figure(f"POST to the inbox's wake, {RATE}/s, p50", _ms(inbox, 50), "ms", at_most=60),
        Figure(f"POST to the inbox's wake, {RATE}/s, p99", _ms(inbox, 99), "ms", at_most=250),
        Figure(f"POST to the figure read, through Kafka, {RATE}/s, p50", _ms(whole, 50), "ms"),
        Figure(f"POST to the figure read, through Kafka, {RATE}/s, p99", _ms(whole, 99), "ms"),
    ]


def posts_due(sent: list[float], number: int) -> float:
    """Seconds until the next post is due, on a schedule that late ones do not shift."""
    return (sent[0] if sent else time.perf_counter()) + (number + 1) / RATE - time.perf_counter()


def restart(data: Path) -> Figure:
    """`polku up` on a folder that is set up, until all is ready."""
    began = time.perf_counter()
    with started(data):
        return Figure("start when set up, to ready", time.perf_counter() - began, "s", at_most=12)


async def _posts_a_second(address: str, headers: dict[str, str]) -> float:
    done = 0
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(limits=limits, timeout=10) as http:

        async def one(until: float) -> None:
            nonlocal done
            while time.perf_counter() < until:
                number = next(_numbers)
                answer = await http.post(address, json=body(f"LOAD-{number}", number, seed=2), headers=headers)
                answer.raise_for_status()
                done += 1

        await asyncio.gather(*(one(time.perf_counter() + 2) for _ in range(CONNECTIONS)))
        done, began = 0, time.perf_counter()
        await asyncio.gather(*(one(began + INTAKE_S) for _ in range(CONNECTIONS)))
        return done / (time.perf_counter() - began)


@asynccontextmanager
async def _ceiling(installation: Installation) -> AsyncIterator[str]:
    port = free_port()
    ports = json.loads((installation.data / "ports.json").read_text("utf-8"))
    environment = {**installation.environment, "BENCH_MONGO": f"mongodb://127.0.0.1:{ports['mongo']}/?replicaSet=rs0"}
    process = subprocess.Popen(  # noqa: ASYNC220 - once, before anything is measured
        [sys.executable, "-m", "bench.ceiling_app", str(port)], env=environment
    )
    try:
        async with httpx.AsyncClient() as http:
            for _ in range(100):
                try:
                    await http.get(f"http://127.0.0.1:{port}/openapi.json")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        yield f"http://127.0.0.1:{port}/referrals"
    finally:
        process.terminate()
        process.wait()


async def _listen(reader: Colleague, address: str, seen: Callable[[], Awaitable[None]]) -> None:
    async with reader.http.stream("GET", address, timeout=None) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("event: polku:"):
                await seen()


def _note(wakes: list[float]) -> Callable[[], Awaitable[None]]:
    async def note() -> None:
        wakes.append(time.perf_counter())

    return note


async def _count(reader: Colleague, base: int, counted: list[float]) -> None:
    """The n-th referral is seen when the figure first says at least n."""
    now = await _received(reader) - base
    counted.extend([time.perf_counter()] * (now - len(counted)))


async def _received(reader: Colleague) -> int:
    said = await reader.get(FIGURES)
    return next(int(figure["value"]) for figure in said["figures"] if figure["code"] == "REFERRALS-RECEIVED")


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _ms(seconds: list[float], percentile: int) -> float:
    return statistics.quantiles(seconds, n=100)[percentile - 1] * 1000
