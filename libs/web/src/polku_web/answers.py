"""How a problem is told: JSON to machines, a page or a notice to people, the sign-in page to strangers."""

import logging
import re
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import RouteContext, iter_route_contexts
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from polku_runtime.aggregates import LostRace
from polku_runtime.mongo import is_unavailable
from polku_web import pages
from polku_web.doors import SAFE_METHODS
from polku_web.problems import GENERAL, MEDIA_TYPE, Problem, body, catalogue, from_validation, kind, unavailable

LOG = logging.getLogger("polku.web")

SIGN_IN = "/referral/sign-in"


def answer(request: Request, problem: Problem) -> Response:
    """The response for `problem`, in the form that this caller reads.

    `app.state.told_elsewhere`, {part of the address: answer}, holds the forms that a service adds.
    """
    for part, tell in getattr(request.app.state, "told_elsewhere", {}).items():
        if part in request.url.path:
            found: Response = tell(request, problem)
            return found
    if _is_machine(request):
        return _json(request, problem)
    is_htmx = request.headers.get("hx-request") == "true"
    if problem.code == "not-signed-in" and not is_htmx:
        unsaved = "" if request.method in SAFE_METHODS else "&unsaved=true"
        return RedirectResponse(f"{SIGN_IN}?next={quote(_way_back(request))}{unsaved}", 303)
    shown = told(request, problem)
    help_text = kind(problem.code, problem.status).help.get(request.state.lang, "")
    template = "notice.html" if is_htmx else "error.html"
    response = pages.render(request, template, problem.status, problem=shown, help=help_text)
    response.headers.update(problem.headers)
    if is_htmx:
        # A refusal must not replace the part of the page that the reader was working on.
        response.headers.update({"hx-retarget": "#notices", "hx-reswap": "innerHTML"})
    return response


def install(app: FastAPI) -> None:
    """Every way in which a request can fail ends in `answer`."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return answer(request, error)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answer(request, from_validation(error.errors()))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = GENERAL.get(error.status_code, "refused")
        # The router names only the methods of the first route of this address.
        headers = {"allow": _allowed(request)} if error.status_code == 405 else error.headers
        return answer(request, Problem(error.status_code, code, headers=headers))

    async def on_lost_race(request: Request, error: Exception) -> Response:
        assert isinstance(error, LostRace)
        # Only the version: the aggregate's own API shape is the service's to show (doors.lost_race).
        more = {} if error.present is None else {"version": error.present.version}
        return answer(request, Problem(409, "lost-race", more=more))

    async def on_mongo(request: Request, error: Exception) -> Response:
        if not is_unavailable(error):
            raise error
        LOG.warning("database unavailable", extra={"error": type(error).__name__})
        return answer(request, unavailable())

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(LostRace, on_lost_race)
    app.add_exception_handler(PyMongoError, on_mongo)


def router() -> APIRouter:
    """`/problems` and `/problems/<code>`: what each problem means, for whoever follows its `type`."""
    found = APIRouter(include_in_schema=False)

    @found.get("/problems")
    async def every_problem(request: Request) -> Response:
        return pages.render(request, "problems.html", kinds=list(catalogue().values()))

    @found.get("/problems/{code}")
    async def one_problem(request: Request, code: str) -> Response:
        known = catalogue().get(code)
        if known is None:
            raise Problem(404, "not-found")
        return pages.render(request, "problem.html", kind=known)

    return found


def _allowed(request: Request) -> str:
    """The methods of this address, as `Allow` lists them. What is spelt out goes before what fits a pattern."""
    routes = [route for route in iter_route_contexts(request.app.routes) if _leads(route, request)]
    nearest = min((route.path or "" for route in routes), key=lambda path: path.count("{"), default="")
    return ", ".join(sorted({method for route in routes if route.path == nearest for method in route.methods or ()}))


def _leads(route: RouteContext, request: Request) -> bool:
    pattern: re.Pattern[str] | None = getattr(route, "path_regex", None)
    return pattern is not None and pattern.match(request.url.path) is not None


def _is_machine(request: Request) -> bool:
    path = request.url.path
    if "/api/" in path or "/oauth/" in path or path.endswith("/live"):
        return True
    accepts = request.headers.get("accept", "*/*")
    return "json" in accepts and "text/html" not in accepts


def _json(request: Request, problem: Problem) -> Response:
    return JSONResponse(told(request, problem), problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def told(request: Request, problem: Problem) -> dict[str, Any]:
    """The problem as RFC 9457 has it, in the reader's language."""
    texts = request.app.state.pages.texts
    instance = f"urn:trace:{request.state.trace}"
    return body(problem, lang=request.state.lang, texts=texts, instance=instance)


def _way_back(request: Request) -> str:
    """Where to go on after signing in: this page, or for a form the page that it was on."""
    if request.method in ("GET", "HEAD"):
        return request.url.path + (f"?{request.url.query}" if request.url.query else "")
    try:
        referer = urlsplit(request.headers.get("referer", ""))
    except ValueError:  # no address at all, as `http://[`
        return "/"
    return referer.path if referer.netloc == request.headers.get("host", "") and referer.path else "/"
