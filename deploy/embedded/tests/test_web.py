"""One address for four services: the first path segment decides, the door has the rest."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from polku_embedded.web import one_origin


def services(alive: list[str]) -> dict[str, FastAPI]:
    def service(name: str) -> FastAPI:
        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            alive.append(name)
            yield
            alive.remove(name)

        app = FastAPI(lifespan=lifespan)

        @app.get("/{path:path}")
        async def answer(path: str) -> str:
            return f"{name}:{path}"

        return app

    return {name: service(name) for name in ("referral", "pathway")}


async def test_the_first_segment_decides() -> None:
    app = one_origin(services([]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://polku") as http:
        said = {
            path: (await http.get(path)).json()
            for path in ("/pathway/api/v1/x", "/pathway", "/referral/sign-in", "/", "/problems/y", "/pathways")
        }
    assert said == {
        "/pathway/api/v1/x": "pathway:pathway/api/v1/x",
        "/pathway": "pathway:pathway",
        "/referral/sign-in": "referral:referral/sign-in",
        "/": "referral:",
        "/problems/y": "referral:problems/y",
        "/pathways": "referral:pathways",
    }


async def test_every_service_starts_and_ends_with_it() -> None:
    alive: list[str] = []
    app = one_origin(services(alive))
    async with app.router.lifespan_context(app):
        assert alive == ["referral", "pathway"]
    assert alive == []
