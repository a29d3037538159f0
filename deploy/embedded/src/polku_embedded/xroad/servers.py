"""The two security servers in one process: the consumer's takes a call, the provider's hands it on over mutual TLS."""

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from polku_embedded.xroad.authority import Authority, Pair
from polku_embedded.xroad.faults import Draw, FaultName, in_turn
from polku_embedded.xroad.message_log import MessageLog
from polku_embedded.xroad.protocol import Call, Fault, answered, passed_on, read_call, request_hash

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Network:
    """What both servers know. services: identifier → address of the provider; members: who has a right to call them.

    tls: the provider's server's own. new_id: of messages and requests. tell: hears a line about each call.
    """

    services: Mapping[str, str]
    members: frozenset[str]
    tls: ssl.SSLContext
    log: MessageLog
    draw: Draw = field(default_factory=in_turn)
    timeout: float = TIMEOUT_S
    new_id: Callable[[], str] = lambda: str(uuid4())
    tell: Callable[[str], None] = lambda _: None


def trusting(authority: Authority, pair: Pair) -> ssl.SSLContext:
    """For calls to the provider with the security server's own certificate."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def create_simulator(network: Network) -> Starlette:
    """The consumer's side as an ASGI app."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # Redirects are passed on, never followed (§4.4).
        async with httpx.AsyncClient(verify=network.tls, timeout=network.timeout, follow_redirects=False) as client:
            app.state.client = client
            yield

    async def call(request: Request) -> Response:
        drawn = network.draw()
        headers = [(name.lower(), value) for name, value in request.headers.items()]
        if not any(name == "x-road-id" for name, _ in headers):
            headers.append(("x-road-id", network.new_id()))
        try:
            response = await _consumer(network, request, headers, drawn)
        except Fault as fault:
            body = {"type": fault.type, "message": fault.message, "detail": network.new_id()}
            response = JSONResponse(
                body,
                fault.status,
                headers={"x-road-error": fault.type},
                media_type="application/json;charset=utf-8",
            )
        error, cause = response.headers.get("x-road-error", ""), f"fault {drawn}" if drawn else ""
        told = (str(response.status_code), error, cause, f"X-Road-Id {dict(headers)['x-road-id']}")
        network.tell(", ".join(filter(None, told)))
        return response

    return Starlette(routes=[Route("/{path:path}", call, methods=list(METHODS))], lifespan=lifespan)


async def _consumer(
    network: Network, request: Request, headers: list[tuple[str, str]], fault: FaultName | None
) -> Response:
    """The consumer's security server: reads the call, and checks the answer's hash."""
    target = request.scope["raw_path"].decode("ascii", "replace")
    query = request.url.query
    read = read_call(f"{target}?{query}" if query else target, headers)
    if read.client not in network.members:
        raise Fault("Server.ClientProxy.UnknownMember", f"Client {read.client} not found")
    if fault == "client-proxy":
        raise Fault("Server.ClientProxy.NetworkError", "The provider's security server cannot be reached")
    body = await request.body()
    said = {"id": dict(headers)["x-road-id"], "client": read.client, "service": read.service}
    network.log.write({**said, "side": "consumer", "kind": "request"}, _message(headers, body))
    response = await _provider(network, request, read, headers, body, fault)
    network.log.write({**said, "side": "consumer", "kind": "response"}, bytes(response.body))
    if response.headers["x-road-request-hash"] != request_hash(headers, body):
        raise Fault("Server.ClientProxy.InconsistentResponse", "The answer is of another request")
    return response


async def _provider(
    network: Network, request: Request, read: Call, headers: list[tuple[str, str]], body: bytes, fault: FaultName | None
) -> Response:
    """The provider's security server: knows the service's address and who may call it."""
    base = network.services.get(read.service)
    if base is None:
        raise Fault("Server.ServerProxy.UnknownService", f"Unknown service: {read.service}")
    if fault == "server-proxy":
        raise Fault("Server.ServerProxy.DatabaseError", "Error accessing database (serverconf)")
    ids = {
        "x-road-client": read.client,
        "x-road-service": read.service,
        "x-road-request-id": network.new_id(),
        "x-road-id": dict(headers)["x-road-id"],
    }
    sent = [(name, value) for name, value in passed_on(headers) if name != "x-road-id"]
    outgoing = [*sent, *((name, value) for name, value in ids.items() if name != "x-road-service")]
    log = {"id": ids["x-road-id"], "client": read.client, "service": read.service, "side": "provider"}
    network.log.write({**log, "kind": "request"}, _message(outgoing, body))
    if fault == "timeout":
        raise Fault("Server.ServerProxy.NetworkError", "The service did not answer in time")
    found = await _ask(request, base + read.path, outgoing, body)
    if fault == "duplicate":
        found = await _ask(request, base + read.path, outgoing, body)
    network.log.write({**log, "kind": "response"}, found.content)
    if fault == "lost-answer":
        raise Fault("Server.ServerProxy.NetworkError", "The connection was lost before the answer was read")
    response = Response(found.content, found.status_code)
    for name, value in answered([(name.lower(), value) for name, value in found.headers.multi_items()]):
        response.headers.append(name, value)
    response.headers.update({**ids, "x-road-request-hash": request_hash(headers, body)})
    return response


async def _ask(request: Request, address: str, headers: list[tuple[str, str]], body: bytes) -> httpx.Response:
    client: httpx.AsyncClient = request.app.state.client
    # What is not ASCII is passed on as it came.
    sent = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    try:
        return await client.request(request.method, address, headers=sent, content=body)
    except httpx.HTTPError as error:
        raise Fault("Server.ServerProxy.NetworkError", f"The service did not answer: {type(error).__name__}") from None


def _message(headers: list[tuple[str, str]], body: bytes) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode() + b"\r\n" + body
