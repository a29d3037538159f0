"""`python -m polku_embedded.web`: the four services' apps behind one address, in one process."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from polku_embedded.parts import DOOR, PARTS
from polku_referral.settings import ReferralSettings
from polku_referral.xroad import listener as xroad
from polku_runtime import logs, process, telemetry
from polku_runtime.settings import Settings, load
from polku_web.live import end_streams


def one_origin(apps: Mapping[str, FastAPI]) -> Starlette:
    """Gives each request to the service of its first path segment, as a gateway does elsewhere."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        segment = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
        await apps.get(segment, apps[DOOR])(scope, receive, send)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for app in apps.values():
                await stack.enter_async_context(app.router.lifespan_context(app))
            yield

    return Starlette(routes=[Mount("/", app=dispatch)], lifespan=lifespan)


def further_listeners(referral: ReferralSettings) -> list[Callable[[], uvicorn.Server]]:
    """What listens besides: the X-Road door, when it has a port (docs/x-road.md)."""
    return [] if referral.xroad_port is None else [lambda: xroad.create_server(referral)]


def main() -> None:
    shared = load(Settings)
    logs.configure("web", shared.log_level)
    provider = telemetry.configure("web", shared.otlp_endpoint)
    apps = {name: part.create_api(load(part.settings)) for name, part in PARTS.items()}
    servers = [lambda: process.serve(one_origin(apps), shared.host, shared.port)]
    servers += further_listeners(load(ReferralSettings))
    uvloop.run(process.run(servers, {}, shared.host, shared.worker_port, end_streams))
    if provider is not None:
        provider.shutdown()


if __name__ == "__main__":
    main()
