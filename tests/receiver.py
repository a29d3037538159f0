"""A sender's own web server, that answers webhooks as a test wants it, and verifies each with the official library."""

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from standardwebhooks import Webhook

Behaviour = int | Literal["reset", "hang", "slow", "drip"] | tuple[int, dict[str, str]]
"""A status; a connection that is cut; no answer; one after 0.3 s; a body without end; a status with headers."""


@dataclass
class Message:
    """One post that came whole, whatever it was answered with."""

    headers: dict[str, str]
    body: bytes
    at: float
    taken: bool

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def challenge(self) -> str:
        """What it asks to be answered; empty for all other messages."""
        said = self.told
        return said["data"]["challenge"] if said.get("type") == "webhook.challenge" else ""

    @property
    def told(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.body)
        return said


@dataclass
class Receiver:
    """behave: what to do with the next message. answer_with: to a challenge. secret: verified with when it is set."""

    port: int = 0
    secret: str = ""
    behave: Callable[[Message], Behaviour] = lambda _: 204
    answer_with: Callable[[Message], bytes] = lambda message: message.challenge.encode()
    seen: list[Message] = field(default_factory=list)
    verified: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    open: set[asyncio.StreamWriter] = field(default_factory=set)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/polku"

    @property
    def taken(self) -> list[Message]:
        """What was answered with success, challenges apart."""
        return [message for message in self.seen if message.taken and not message.challenge]

    async def until(self, true: Callable[[], bool], seconds: float = 15) -> None:
        """Waits for messages until something holds."""
        async with asyncio.timeout(seconds):
            while not true():
                self.news.clear()
                await self.news.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        message = Message(headers, await reader.readexactly(int(headers["content-length"])), time.monotonic(), False)
        wanted = self.behave(message)
        status, more = wanted if isinstance(wanted, tuple) else (wanted if isinstance(wanted, int) else 200, {})
        message.taken = 200 <= status < 300 and wanted not in ("reset", "hang")
        if message.taken and self.secret:
            Webhook(self.secret).verify(message.body, headers)
            self.verified += 1
        self.seen.append(message)
        self.news.set()
        return await self._answer(writer, wanted, status, more, message)

    async def _answer(
        self, writer: asyncio.StreamWriter, wanted: Behaviour, status: int, more: dict[str, str], message: Message
    ) -> bool:
        if wanted == "reset":
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return False
        if wanted == "hang":
            await self.closing.wait()
            return False
        if wanted == "slow":
            await asyncio.sleep(0.3)
        if wanted == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
            while True:
                writer.write(b"x" * 4096)
                await writer.drain()
        body = self.answer_with(message) if message.taken and message.challenge else b""
        status = 200 if body else status
        extra = "".join(f"{name}: {value}\r\n" for name, value in more.items())
        writer.write(f"HTTP/1.1 {status} X\r\n{extra}content-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        return True


@asynccontextmanager
async def receiving(**more: Any) -> AsyncIterator[Receiver]:
    """A receiver on a free port; `down()` and coming back are two of these with the same `port`."""
    receiver = Receiver(**more)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", receiver.port)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        receiver.closing.set()
        for connection in receiver.open:
            connection.transport.abort()
        await asyncio.gather(*receiver.tasks, return_exceptions=True)


def in_order(messages: Iterable[Message]) -> bool:
    """True when no version of a referral was told for the first time before all lower ones were."""
    told: Counter[str] = Counter()
    for message in messages:
        data = message.told["data"]
        if data["version"] > told[data["referral_id"]] + 1:
            return False
        told[data["referral_id"]] = max(told[data["referral_id"]], data["version"])
    return True
