"""The composition root: what runs as the API process and what as the worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from polku_pathway import api, consumer, form_pages, pages
from polku_pathway.catalogue import read_catalogue
from polku_pathway.desk import Desk
from polku_pathway.repository import PATHWAYS, Pathways
from polku_runtime import mongo
from polku_runtime.effects import Effects, system_effects
from polku_runtime.settings import Settings
from polku_runtime.worker import Worker
from polku_web.app import create_app
from polku_web.doors import Door

SERVICE = "pathway"


def create_api(settings: Settings, *, effects: Effects | None = None, door: Door | None = None) -> FastAPI:
    """The ASGI app: pages and API. Tests hand in their own effects and door."""
    catalogue = read_catalogue()
    used = effects or system_effects()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.desk = Desk(Pathways(app.state.database, catalogue, used), catalogue, used)
        yield

    return create_app(
        SERVICE,
        settings,
        routers=(api.router, pages.router, form_pages.router),
        lifespan=lifespan,
        live={PATHWAYS: lambda pathway_id: ("pathways", f"pathway-{pathway_id}")},
        effects=used,
        door=door,
    )


def create_worker(settings: Settings, *, effects: Effects | None = None) -> Worker:
    """Relay and consumer. Makes the indexes that carry the rules before anything is read."""
    used = effects or system_effects()
    client = mongo.connect(settings)
    database = mongo.database(client, settings, SERVICE)
    pathways = Pathways(database, read_catalogue(), used)
    return Worker(
        service=SERVICE,
        settings=settings,
        client=client,
        database=database,
        outboxes=[pathways.aggregates.collection],
        topics=consumer.TOPICS,
        apply=consumer.consume(pathways),
        effects=used,
        prepare=pathways.create_indexes,
    )
