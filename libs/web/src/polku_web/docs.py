"""The API's own description and its reader: `/<service>/api/v1/openapi.json` and `/<service>/api/v1/docs`."""

from copy import copy
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from polku_web import pages
from polku_web.openapi import enrich, read_told
from polku_web.problems import ProblemBody


def router(service: str, package: str) -> APIRouter:
    found = APIRouter(include_in_schema=False)
    described = cache(lambda app: description(app, service, package))

    @found.get(f"/{service}/api/v1/openapi.json")
    async def openapi(request: Request) -> JSONResponse:
        return JSONResponse(described(request.app))

    @found.get(f"/{service}/api/v1/docs")
    async def docs(request: Request) -> Response:
        return pages.render(request, "docs.html", address=f"/{service}/api/v1/openapi.json")

    return found


def description(app: FastAPI, service: str, package: str) -> dict[str, Any]:
    """OpenAPI 3.1 of the routes under `/api/` and `/oauth/`; pages are for people and are left out."""
    schema = get_openapi(title=app.title, version=app.version, routes=[_without_head(route) for route in app.routes])
    schema["paths"] = {path: item for path, item in schema["paths"].items() if _is_api(path)}
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    # FastAPI describes its own 422 body, which we do not send.
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    for item in schema["paths"].values():
        for operation in item.values():
            operation["responses"].pop("422", None)
    problem = TypeAdapter(ProblemBody).json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {}) | {"ProblemBody": problem}
    enrich(schema, app, service, read_told(package))
    return schema


def _without_head(route: BaseRoute) -> BaseRoute:
    """HEAD is GET without a body: as an operation of its own it would only double the document."""
    if not isinstance(route, APIRoute) or "GET" not in (route.methods or ()):
        return route
    told = copy(route)
    told.methods = set(route.methods or ()) - {"HEAD"}
    return told


def _is_api(path: str) -> bool:
    return "/api/" in path or "/oauth/" in path or path.startswith("/.well-known/")
