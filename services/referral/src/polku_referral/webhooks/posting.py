"""Posts to addresses that strangers gave us: only where they may lead, without redirects, within a time."""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache

import httpcore

from polku_referral.webhooks.addresses import Allowed, Target, as_address

MAX_READ = 16 * 1024
"""Bytes of an answer's body that are read, and then forgotten or looked through for the challenge."""
MAX_CONNECT_S = 5.0
RESOLVERS = 32
NOT_PROVEN = "challenge-not-answered"
"""Of an answer with success that does not hold the challenge."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port → addresses as text. Raises OSError."""


class Unresolved(httpcore.ConnectError):
    """The host's name leads nowhere."""


class AddressRefused(httpcore.ConnectError):
    """The host's name leads to an address that webhooks may not have."""


@dataclass(frozen=True)
class Answer:
    """What became of one post. error: a class of what went wrong before there was a status, or NOT_PROVEN.
    ms: how long it took. retry_after: seconds that the receiver asks for.
    """

    status: int | None
    error: str | None
    ms: int
    retry_after: float | None = None
    body: bytes = b""

    @property
    def succeeded(self) -> bool:
        return self.error is None and self.status is not None and 200 <= self.status < 300


class Guarded(httpcore.AsyncNetworkBackend):
    """Resolves, judges and connects to exactly the address that was judged; TLS still asks for the host's name.

    A name of which one address may not be is refused whole: whoever mixes them means no good.
    """

    def __init__(self, allowed: Allowed, resolve: Resolve) -> None:
        self.allowed = allowed
        self.resolve = resolve
        self.inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self.resolve(host, port)
        except OSError as error:
            raise Unresolved from error
        judged = [as_address(text) for text in addresses]
        if not judged:
            raise Unresolved
        if not all(address is not None and self.allowed.reaches(host, address) for address in judged):
            raise AddressRefused
        for place, address in enumerate(judged, start=1):
            try:
                return await self.inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if place == len(judged):
                    raise
        raise AssertionError("there was an address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@cache
def trusting() -> ssl.SSLContext:
    """Trusts what the machine trusts; read once, for there are many certificates."""
    return ssl.create_default_context()


class Poster:
    """One per worker. timeout: seconds for one post in all. resolve, tls: replaced in tests."""

    def __init__(
        self, allowed: Allowed, timeout: float, *, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.timeout = timeout
        # No bound on connections here: a slow receiver may hold its own lane's few, and nobody else's.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or trusting(),
            max_connections=None,
            max_keepalive_connections=100,
            keepalive_expiry=30.0,
            network_backend=Guarded(allowed, resolve or Resolver()),
        )

    async def post(self, target: Target, headers: Mapping[str, str], body: bytes, now: datetime) -> Answer:
        """Never raises for what the network or the receiver does. now: what a date in Retry-After is compared with."""
        begun = time.monotonic()
        status, error, retry_after, read = None, None, None, b""
        try:
            async with (
                asyncio.timeout(self.timeout),
                self._pool.stream(
                    "POST",
                    httpcore.URL(
                        scheme="https" if target.secure else "http",
                        host=target.host,
                        port=target.port,
                        target=target.path.encode(),
                    ),
                    headers=_encoded({**headers, "host": _host(target), "content-length": str(len(body))}),
                    content=body,
                    extensions={"timeout": {"connect": min(MAX_CONNECT_S, self.timeout)}},
                ) as response,
            ):
                status = response.status  # what goes wrong after this changes nothing
                said = {name.lower(): value for name, value in response.headers}
                retry_after = _retry_after(said.get(b"retry-after"), now)
                async for chunk in response.aiter_stream():
                    read += chunk
                    if len(read) > MAX_READ:
                        break
        except Exception as problem:  # noqa: BLE001 - whatever a stranger's server does is an outcome, never our end
            error = error_of(problem) if status is None else None
        return Answer(status, error, round((time.monotonic() - begun) * 1000), retry_after, read[:MAX_READ])

    async def close(self) -> None:
        await self._pool.aclose()


class Resolver:
    """The system's resolver in threads of its own, one per host, so that a slow name server holds one alone."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")
        self._asked: dict[str, asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str, port: int) -> list[str]:
        asked = self._asked.get(host)
        if asked is None:
            asked = asyncio.get_running_loop().run_in_executor(self._threads, _resolve, host, port)
            self._asked[host] = asked
            asked.add_done_callback(lambda _: self._asked.pop(host, None))
        return await asyncio.shield(asked)


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


def error_of(problem: BaseException) -> str:  # noqa: PLR0911 - one return per class
    """A class of error that a receiver's owner can act on."""
    match problem:
        case AddressRefused():
            return "address-refused"
        case Unresolved():
            return "unknown-host"
        case TimeoutError() | httpcore.TimeoutException():
            return "timeout"
        case httpcore.ConnectError() if isinstance(problem.__cause__ or problem.__context__, ssl.SSLError):
            return "tls"
        case httpcore.ConnectError():
            return "connect"
        case httpcore.ReadError() | httpcore.WriteError() | httpcore.RemoteProtocolError():
            return "broken-off"
        case _:
            return "internal"


def _retry_after(value: bytes | None, now: datetime) -> float | None:
    """RFC 9110 §10.2.3: seconds or a date."""
    text = (value or b"").decode("ascii", "replace").strip()
    if text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
    except (TypeError, ValueError):
        return None


def _host(target: Target) -> str:
    return target.url.split("/", 3)[2]


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
