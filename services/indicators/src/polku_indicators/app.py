"""The composition root of indicators."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from polku_indicators import api, pages
from polku_indicators.catalogue import load_rules
from polku_indicators.consumer import TOPICS, consume
from polku_indicators.repository import Store, Topics
from polku_indicators.repository.switch import prepare
from polku_indicators.settings import SERVICE
from polku_runtime import mongo
from polku_runtime.effects import Effects, system_effects
from polku_runtime.settings import Settings
from polku_runtime.worker import Worker
from polku_web.app import create_app
from polku_web.doors import Door


def create_api(settings: Settings, *, effects: Effects | None = None, door: Door | None = None) -> FastAPI:
    """The HTTP side: figures and pages, woken by the counters. door: replaces the real one in tests."""

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        app.state.rules = load_rules()
        app.state.store = Store(app.state.client, app.state.database)
        yield

    return create_app(
        SERVICE,
        settings,
        routers=[api.router, pages.router],
        lifespan=running,
        live={"counters": _programme_topic, "pointers": ["figures"]},
        effects=effects,
        door=door,
    )


def create_worker(settings: Settings, *, effects: Effects | None = None) -> Worker:
    """The consuming side. Indicators emits nothing, so it has no outbox."""
    effects = effects or system_effects()
    client = mongo.connect(settings)
    database = mongo.database(client, settings, SERVICE)
    store = Store(client, database)
    rules = load_rules()

    async def ready() -> None:
        await prepare(store, rules, effects.now())

    return Worker(
        service=SERVICE,
        settings=settings,
        client=client,
        database=database,
        outboxes=[],
        topics=TOPICS,
        apply=consume(store, rules, Topics.of(settings.namespace), effects),
        effects=effects,
        prepare=ready,
    )


def _programme_topic(counter_id: str) -> list[str]:
    """`1:kainuu:7` → the topic of the programme's pages. A switch of views touches `figures`, which all hear."""
    return [f"figures-{counter_id.split(':')[1]}"]
