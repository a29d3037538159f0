"""A small demo service over this package, with a door of cardboard."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Literal

import pytest
from cryptography.fernet import Fernet
from fastapi import APIRouter, Depends, FastAPI, Form
from httpx import ASGITransport, AsyncClient
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pymongo.errors import ServerSelectionTimeoutError
from starlette.requests import Request
from starlette.responses import Response

from polku_runtime.access import Principal
from polku_runtime.settings import Settings
from polku_web import pages
from polku_web.app import create_app
from polku_web.doors import Visit, client, expected_version, staff, staff_or_client
from polku_web.paging import Window, window

ORIGIN = "http://127.0.0.1:8700"
COOKIE = {"cookie": "who=coordinator"}


class CardboardDoor:
    """The cookie `who` names the role; the token names the scope."""

    csrf_keys = (b"new", b"old")

    async def visit(self, request: Request) -> Visit | None:
        role = request.cookies.get("who")
        return Visit(Principal(kind="staff", id="s-1", roles=frozenset({role})), f"session-{role}") if role else None

    async def client(self, token: str) -> Principal | None:
        if not token.startswith("good"):
            return None
        return Principal(kind="client", id="c-1", scopes=frozenset(token.split("+")[1:]))


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    given_names: str = Field(min_length=1, max_length=100)
    age: int | None = Field(None, ge=0, le=150)


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    external_id: str = Field(max_length=40, pattern=r"^[A-Za-z0-9-]+$")
    person: Inner
    urgency: Literal["normal", "urgent"] = "normal"
    at: AwareDatetime | None = Field(None, strict=False)  # FastAPI hands over parsed JSON: text is not a time there
    weight: float | None = None


def demo_router() -> APIRouter:
    router = APIRouter()

    @router.post("/demo/api/v1/things", status_code=201)
    async def make(body: Body, who: Annotated[Principal, Depends(client("things:write"))]) -> dict[str, str]:
        return {"given_names": body.person.given_names}

    @router.get("/demo/api/v1/things")
    async def listed(
        asked: Annotated[Window, Depends(window)],
        who: Annotated[Principal, Depends(staff_or_client(roles=("coordinator",), scopes=("things:read",)))],
    ) -> dict[str, int]:
        return {"limit": asked.limit}

    @router.put("/demo/api/v1/things/{thing_id}")
    async def change(
        thing_id: str,
        body: Inner,
        version: Annotated[int, Depends(expected_version)],
        who: Annotated[Principal, Depends(staff_or_client(scopes=("things:write",)))],
    ) -> dict[str, int]:
        return {"version": version}

    @router.get("/demo/api/v1/broken")
    async def broken() -> None:
        raise RuntimeError("secret 010594Y9032")

    @router.get("/demo/api/v1/no-database")
    async def no_database() -> None:
        raise ServerSelectionTimeoutError("mongodb://user:password@host")

    @router.get("/demo/")
    async def home(request: Request, who: Annotated[Principal, Depends(staff("coordinator", "manager"))]) -> Response:
        return pages.render(request, "problems.html", kinds=[])

    @router.post("/demo/things")
    async def form(
        request: Request, name: Annotated[str, Form(max_length=20)], who: Annotated[Principal, Depends(staff())]
    ) -> Response:
        return Response(name, media_type="text/plain")

    return router


@pytest.fixture
def demo_settings(tmp_path: Path) -> Settings:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "htmx.min.js").write_text("// htmx")
    return Settings(
        session_keys=Fernet.generate_key().decode(),
        base_url=ORIGIN,
        mongo="mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=50",
        static_dir=tmp_path,
    )


@pytest.fixture
def demo(demo_settings: Settings) -> FastAPI:
    return create_app("demo", demo_settings, routers=[demo_router()], door=CardboardDoor(), package="polku_web")


@pytest.fixture
async def web(demo: FastAPI) -> AsyncIterator[AsyncClient]:
    async with (
        demo.router.lifespan_context(demo),
        AsyncClient(transport=ASGITransport(demo), base_url=ORIGIN) as http,
    ):
        yield http
