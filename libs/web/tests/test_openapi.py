"""What the OpenAPI document derives from the code, and how a caller hears that an address will go."""

import re
from datetime import date
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI
from httpx import ASGITransport, AsyncClient

from polku_runtime.access import Principal
from polku_runtime.settings import Settings
from polku_web.app import create_app
from polku_web.deprecation import deprecated
from polku_web.docs import description
from polku_web.doors import client
from polku_web.problems import Problem

from .conftest import ORIGIN, CardboardDoor

GOING = deprecated(date(2027, 1, 1), sunset=date(2028, 1, 1), see="/demo/api/v1/new")


@pytest.fixture
def going(demo_settings: Settings) -> FastAPI:
    """A service with one address that will go."""
    router = APIRouter()

    @router.get("/demo/api/v1/old/{name}", dependencies=[Depends(GOING)])
    async def old(name: str, who: Annotated[Principal, Depends(client("things:read"))]) -> dict[str, str]:
        """Says the name. And more."""
        if name == "none":
            raise Problem(404, "not-found")
        return {"name": name, "by": who.id}

    return create_app("demo", demo_settings, routers=[router], door=CardboardDoor(), package="polku_web")


@pytest.mark.parametrize(("name", "status"), [("a", 200), ("none", 404)])
async def test_every_answer_of_a_deprecated_address_says_so(going: FastAPI, name: str, status: int) -> None:
    async with (
        going.router.lifespan_context(going),
        AsyncClient(transport=ASGITransport(going), base_url=ORIGIN) as http,
    ):
        answer = await http.get(f"/demo/api/v1/old/{name}", headers={"authorization": "Bearer good+things:read"})
    assert answer.status_code == status
    assert answer.headers["deprecation"] == "@1798761600"
    assert answer.headers["sunset"] == "Sat, 01 Jan 2028 00:00:00 GMT"
    assert answer.headers["link"] == '</demo/api/v1/new>; rel="successor-version"'
    assert answer.headers["ratelimit"].startswith('"default";r=')


def test_the_document_marks_it(going: FastAPI) -> None:
    operation = description(going, "demo", "polku_web")["paths"]["/demo/api/v1/old/{name}"]["get"]
    assert operation["deprecated"] is True
    assert operation["summary"] == "Says the name"
    assert {"Deprecation", "Sunset", "Link", "RateLimit"} <= operation["responses"]["200"]["headers"].keys()


def test_the_document_says_who_may_call_and_what_may_come(demo: FastAPI) -> None:
    paths = description(demo, "demo", "polku_web")["paths"]
    change = paths["/demo/api/v1/things/{thing_id}"]["put"]
    assert change["security"] == [{"clientCredentials": ["things:write"]}, {"session": [], "csrf": []}]
    codes = {
        code for answer in change["responses"].values() for content in answer["content"].values()
        for code in content.get("examples", ())
    }  # fmt: skip
    assert codes == {
        "malformed", "not-signed-in", "insufficient-scope", "csrf", "cross-site", "not-found", "lost-race",
        "wrong-state", "too-slow", "too-large", "unsupported-media-type", "invalid", "too-many-requests", "internal", "unavailable",
    }  # fmt: skip
    listed = paths["/demo/api/v1/things"]["get"]
    assert listed["security"] == [{"clientCredentials": ["things:read"]}, {"session": []}]
    assert "404" not in listed["responses"]


def test_notice_is_a_year() -> None:
    with pytest.raises(ValueError, match="a year"):
        deprecated(date(2027, 1, 1), sunset=date(2027, 6, 1), see="/demo/api/v1/new")


async def test_the_reader_asks_nobody_else(demo_settings: Settings) -> None:
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        (demo_settings.static_dir / "vendor" / name).write_text("/* reader */")
    app = create_app("demo", demo_settings, routers=[], door=CardboardDoor(), package="polku_web")
    async with app.router.lifespan_context(app), AsyncClient(transport=ASGITransport(app), base_url=ORIGIN) as http:
        answer = await http.get("/demo/api/v1/docs")
    addresses = re.findall(r'(?:src|href|data-address)="([^"#]+)"', answer.text)
    assert any("swagger-ui-bundle" in address for address in addresses)
    assert [address for address in addresses if not re.match("/(?!/)|[?]", address)] == []
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert "http" not in policy
