"""The composition root: what runs as the API process and what as the worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from polku_activities import api, consumer, form_pages, pages
from polku_activities.desk import Desk
from polku_activities.repository import SESSIONS, Sessions
from polku_runtime import mongo
from polku_runtime.effects import Effects, system_effects
from polku_runtime.settings import Settings
from polku_runtime.worker import Worker
from polku_web.app import create_app
from polku_web.codes import read_codes
from polku_web.doors import Door

SERVICE = "activities"


def create_api(settings: Settings, *, effects: Effects | None = None, door: Door | None = None) -> FastAPI:
    """The ASGI app: pages and API. Tests hand in their own effects and door."""
    codes, used = read_codes("polku_activities"), effects or system_effects()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.desk = Desk(Sessions(app.state.database, used), codes, used)
        yield

    return create_app(
        SERVICE,
        settings,
        routers=(api.router, pages.router, form_pages.router),
        lifespan=lifespan,
        live={SESSIONS: lambda session_id: ("sessions", f"session-{session_id}")},
        effects=used,
        door=door,
    )


def create_worker(settings: Settings, *, effects: Effects | None = None) -> Worker:
    """Relay and consumer."""
    used = effects or system_effects()
    client = mongo.connect(settings)
    database = mongo.database(client, settings, SERVICE)
    sessions = Sessions(database, used)
    return Worker(
        service=SERVICE,
        settings=settings,
        client=client,
        database=database,
        outboxes=[sessions.aggregates.collection],
        topics=consumer.TOPICS,
        apply=consumer.consume(sessions),
        effects=used,
        prepare=sessions.create_indexes,
    )
