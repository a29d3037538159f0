"""The composition of one service's HTTP side; a service's `create_api` calls `create_app` and adds its routers."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from prometheus_client import Histogram
from pymongo.errors import PyMongoError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from polku_runtime import health, mongo
from polku_runtime.access.tokens import FetchKeys
from polku_runtime.effects import Effects, system_effects
from polku_runtime.metrics import Metrics
from polku_runtime.settings import Settings
from polku_web import answers, docs
from polku_web.bodies import Allowance
from polku_web.door import OnRefused, log_refused, open_door
from polku_web.doors import Door
from polku_web.edge import Edge
from polku_web.i18n import texts
from polku_web.limits import Limiter
from polku_web.live import LiveHub, Topics
from polku_web.pages import open_pages
from polku_web.problems import ProblemBody
from polku_web.static import Static
from polku_web.stream import live_router

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


def create_app(
    service: str,
    settings: Settings,
    *,
    routers: Iterable[APIRouter],
    lifespan: Lifespan | None = None,
    live: Topics | None = None,
    effects: Effects | None = None,
    door: Door | None = None,
    fetch_keys: FetchKeys | None = None,
    on_refused: OnRefused = log_refused,
    ready: health.Check | None = None,
    package: str | None = None,
    allowances: Mapping[str, Allowance] | None = None,
) -> FastAPI:
    """The ASGI app of `service`, with everything that all four share.

    routers: routes with their whole paths, `/<service>/…`.
    lifespan: entered after `app.state` has `settings`, `effects`, `metrics`, `client`, `database`, `door`
        (and `live`): the place to build repositories and put them on `app.state`.
    live: names the topics that a change in the database touches; makes `/<service>/live`.
    door: replaces the real one in tests. fetch_keys: where the issuer itself gets its token keys.
    on_refused: hears of every access token that was refused.
    ready: more to ask for readiness than whether the database answers.
    package: where templates, texts and static files are; `polku_<service>` if not given.
    allowances: by whole path, addresses that take larger bodies, or take longer.
    """
    package = package or f"polku_{service}"
    said = texts("polku_web") if package == "polku_web" else texts("polku_web", package)
    effects = effects or system_effects()
    metrics = Metrics()

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        client = mongo.connect(settings)
        try:
            app.state.client = client
            app.state.database = database = mongo.database(client, settings, service)
            app.state.door = door or open_door(settings, database, effects, fetch_keys, on_refused)
            hub = LiveHub(database, live) if live is not None else None
            app.state.live = hub
            async with (
                hub.running() if hub is not None else nullcontext(),
                lifespan(app) if lifespan is not None else nullcontext(),
            ):
                yield
        finally:
            await client.close()

    app = FastAPI(
        title=f"Polku: {service}",
        version="1",
        lifespan=running,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # The framework's own spans hold paths and queries, so persons, and its log records messages; ours do not.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    static = Static(service, package, settings.static_dir)
    app.state.settings = settings
    app.state.effects = effects
    app.state.metrics = metrics
    app.state.limiter = Limiter(settings.rate_requests, settings.rate_seconds, settings.rate_at_once)
    app.state.pages = open_pages(service, package, said, static, effects)
    answers.install(app)
    shared = [static.router(), _health_router(service, metrics, ready), docs.router(service, package), answers.router()]
    shared += [live_router(service)] if live is not None else []
    for router in (*shared, *routers):
        # Every route holds its whole path. Included, each would be built anew for this app, and sought twice per call.
        app.router.routes.extend(_with_head(route, service) for route in router.routes)
    app.add_middleware(
        Edge,
        service=service,
        language=settings.language,
        secure=settings.base_url.startswith("https://"),
        answer=answers.answer,
        observe=_observer(service, metrics),
        database_seconds=settings.database_seconds,
        allowances=allowances,
    )
    return app


def _with_head(route: BaseRoute, service: str) -> BaseRoute:
    """The route, which answers HEAD wherever it answers GET (RFC 9110 §9.1); the server sends no body then.

    Not the live stream, which would never end.
    """
    if isinstance(route, APIRoute) and route.path != f"/{service}/live":
        methods = route.methods or set()
        route.methods = methods | {"HEAD"} if "GET" in methods else methods
    return route


def _health_router(service: str, metrics: Metrics, more: health.Check | None) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    async def live() -> str | None:
        return None

    def ready_of(request: Request) -> health.Check:
        async def ready() -> str | None:
            try:
                await request.app.state.client.admin.command("ping")
            except PyMongoError:
                return "the database does not answer"
            return await more() if more is not None else None

        return ready

    @router.get(f"/{service}/health/live")
    @router.get(f"/{service}/health/ready")
    @router.get(f"/{service}/metrics")
    async def state(request: Request) -> Response:
        told = await health.answer(request.url.path, live=live, ready=ready_of(request), metrics=metrics)
        assert told is not None
        status, media_type, body = told
        return Response(body, status, media_type=media_type)

    return router


def _observer(service: str, metrics: Metrics) -> Callable[[str, str, int, float], None]:
    seconds = Histogram(
        "polku_http_request_seconds",
        "Time to answer a request, by route template",
        ["service", "method", "route", "status"],
        buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
        registry=metrics.registry,
    )

    def observe(method: str, route: str, status: int, took: float) -> None:
        seconds.labels(service, method, route, str(status)).observe(took)

    return observe


__all__ = ["ProblemBody", "create_app"]
