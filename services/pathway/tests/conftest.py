"""A running pathway service without Kafka: its app over a real mongod, its consumer by hand, people who sign in."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from fastapi import FastAPI

from polku_events import EventData
from polku_pathway import consumer
from polku_pathway.app import create_api
from polku_pathway.catalogue import read_catalogue
from polku_pathway.model.pathway import Pathway
from polku_pathway.repository import Pathways
from polku_pathway.settings import PathwaySettings
from polku_runtime.effects import Effects
from polku_runtime.mongo import Client, database
from polku_runtime.outcomes import Received, Result
from polku_runtime.settings import Settings
from polku_runtime.testing import event
from polku_web.testing import SignIn, employ, signing_in

from .material import COORDINATOR, accepted

OTHER = "0197aaaa-0000-7000-8000-000000000002"
MANAGER = "0197aaaa-0000-7000-8000-000000000003"
COACH = "0197aaaa-0000-7000-8000-000000000004"
ELSEWHERE = "0197aaaa-0000-7000-8000-000000000005"
API = "/pathway/api/v1"
STAFF = {
    COORDINATOR: (["coordinator"], ["kainuu"]),
    OTHER: (["coordinator"], ["kainuu"]),
    MANAGER: (["manager"], ["kainuu"]),
    COACH: (["coach"], ["kainuu"]),
    ELSEWHERE: (["manager"], ["lapland"]),
}


@pytest.fixture
async def pathways(mongo_client: Client, settings: Settings, effects: Effects) -> Pathways:
    kept = Pathways(database(mongo_client, settings, "pathway"), read_catalogue(), effects)
    await kept.create_indexes()
    await employ(kept.database, STAFF, effects.now())
    return kept


Hear = Callable[..., Any]


@pytest.fixture
def hear(pathways: Pathways) -> Hear:
    """`await hear(data, data, …)`: one batch through the consumer, as the runner would give it."""
    apply = consumer.consume(pathways)

    async def given(*events: EventData) -> Sequence[Result]:
        received = [
            Received(topic="polku.referral.events", partition=0, offset=index, event=event(data))
            for index, data in enumerate(events)
        ]
        return await apply(received)

    return given


@pytest.fixture
async def app(pathways: Pathways, environment: dict[str, object], effects: Effects) -> AsyncIterator[FastAPI]:
    """The service, running, over the same database as `pathways`."""
    del pathways  # it makes the indexes and keeps the staff
    made = create_api(PathwaySettings.model_validate(environment), effects=effects)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def sign_in(app: FastAPI, effects: Effects) -> AsyncIterator[SignIn]:
    """`await sign_in(MANAGER)` → a Person; one app serves them all."""
    async with signing_in(app, effects, api=API, form="/pathway/pathways") as given:
        yield given


@pytest.fixture
async def pathway(hear: Hear, pathways: Pathways) -> Pathway:
    """One open pathway of COORDINATOR, waiting to start."""
    await hear(accepted())
    found = await pathways.open_of("person-1", "kainuu")
    assert found is not None
    return found
