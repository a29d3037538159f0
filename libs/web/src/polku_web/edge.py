"""The outermost layer of every request: language, trace, body checks, security headers, no bare 500."""

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pymongo
from opentelemetry import trace
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polku_runtime import telemetry
from polku_web import bodies
from polku_web.i18n import LANGUAGES, negotiate
from polku_web.limits import Limiter
from polku_web.problems import Problem

LOG = logging.getLogger("polku.web")

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    # Not no-referrer: browsers would then send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-frame-options": "DENY",
}

DATABASE_SECONDS = 1.5
"""A request waits no longer than this for MongoDB in all, so that a caller hears 503 within 2 s."""

WAITING = ("/live", "/events")
"""Ends of addresses where a request may wait for news."""

X_ROAD = b"x-road-"
"""Headers by which a security server says who calls; anybody else could say the same."""

LANGUAGE_COOKIE = "polku_language"
A_YEAR = 365 * 24 * 3600

Answer = Callable[[Request, Problem], Response]
Observe = Callable[[str, str, int, float], None]


class Edge:
    """ASGI middleware. `answer` renders a problem; `observe` hears method, route, status, seconds.

    allowances: by whole path, what is not as everywhere else.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        language: str,
        secure: bool,
        answer: Answer,
        observe: Observe,
        database_seconds: float = DATABASE_SECONDS,
        allowances: Mapping[str, bodies.Allowance] | None = None,
    ) -> None:
        self.app = app
        self.service = service
        self.language = language
        self.headers = dict(HEADERS)
        if secure:
            self.headers["strict-transport-security"] = f"max-age={A_YEAR}"
        self.secure = secure
        self.answer = answer
        self.observe = observe
        self.database_seconds = database_seconds
        self.allowances = allowances or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Only the X-Road listener's gate may believe them, and it has taken them by now.
        headers = [header for header in scope["headers"] if not header[0].startswith(X_ROAD)]
        scope["headers"] = [(name, _plain(value) if name == b"cookie" else value) for name, value in headers]
        started = time.perf_counter()
        status = 0
        state = scope.setdefault("state", {})
        hub = getattr(scope["app"].state, "live", None)
        # Taken before anything is read: what changes while the page is made is told again, never missed.
        state["live_cursor"] = hub.cursor if hub is not None else ""
        request = Request(scope)
        asked = request.query_params.get("lang") if b"lang=" in scope.get("query_string", b"") else None
        state["lang"] = negotiate(
            asked=asked,
            remembered=request.cookies.get(LANGUAGE_COOKIE),
            accepts=request.headers.get("accept-language", ""),
            default=self.language,
        )

        async def send_dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._dress(MutableHeaders(scope=message), state, asked)
            await send(message)

        with self._span(scope) as span:
            state["trace"] = _trace_id(span)
            try:
                limiter: Limiter = scope["app"].state.limiter
                async with limiter.turn(request):
                    bodies.check_target(scope)
                    receive = await bodies.checked(scope, receive, self.allowances.get(scope["path"]))
                    with self._deadline(scope):
                        await self.app(scope, receive, send_dressed)
            except bodies.ClientGone:
                status = 499
            except Problem as problem:
                await self.answer(request, problem)(scope, receive, send_dressed)
            except Exception:  # the last resort: whatever it is, the caller gets a problem and we get the log
                LOG.exception("unexpected error", extra={"trace": state["trace"]})
                if status:
                    raise
                await self.answer(request, Problem(500, "internal"))(scope, receive, send_dressed)
            self._finish(scope, span, status, time.perf_counter() - started)

    def _dress(self, headers: MutableHeaders, state: dict[str, Any], asked: str | None) -> None:
        for name, value in self.headers.items():
            headers.setdefault(name, value)
        for name, value in state.get("headers", {}).items():
            headers.append(name, value)
        headers.setdefault("cache-control", "no-store")
        headers.setdefault("content-language", state["lang"])
        if asked in LANGUAGES:
            secure = "; Secure" if self.secure else ""
            headers.append(
                "set-cookie",
                f"{LANGUAGE_COOKIE}={asked}; Path=/; Max-Age={A_YEAR}; HttpOnly; SameSite=Lax{secure}",
            )
        if "session_cookie" in state and "set-cookie" not in headers:
            headers.append("set-cookie", state["session_cookie"])

    def _deadline(self, scope: Scope) -> AbstractContextManager[Any]:
        # A live stream lasts for hours, a request for events for half a minute; each of their look-ups has its own.
        allowance = self.allowances.get(scope["path"])
        seconds = allowance.database_seconds if allowance else self.database_seconds
        return nullcontext() if seconds is None or scope["path"].endswith(WAITING) else pymongo.timeout(seconds)

    def _span(self, scope: Scope) -> AbstractContextManager[trace.Span | None]:
        if not telemetry.is_tracing():
            return nullcontext()
        return telemetry.request(self.service, scope["method"], "-", dict(Headers(scope=scope)))

    def _finish(self, scope: Scope, span: trace.Span | None, status: int, seconds: float) -> None:
        # The template, never the path: a path holds ids.
        route = getattr(scope.get("route"), "path", "-")
        self.observe(scope["method"], route, status, seconds)
        if span is not None:
            span.update_name(f"{scope['method']} {route}")
            span.set_attributes({"http.route": route, "http.response.status_code": status})


def _plain(cookies: bytes) -> bytes:
    """Without those in quotes: ours never are, and taking the quotes off is a work of Python that grows with the
    square of their length (CVE-2024-7592).
    """
    return b";".join(one for one in cookies.split(b";") if b'"' not in one)


def _trace_id(span: trace.Span | None) -> str:
    context = span.get_span_context() if span is not None else None
    return f"{context.trace_id:032x}" if context is not None and context.is_valid else secrets.token_hex(16)
