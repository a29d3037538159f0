"""A running activities service without Kafka: its app over a real mongod, its consumer by hand, people who sign in."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from fastapi import FastAPI

from polku_activities import consumer
from polku_activities.app import create_api
from polku_activities.repository import Sessions
from polku_activities.settings import ActivitiesSettings
from polku_events import EventData
from polku_runtime.effects import Effects
from polku_runtime.mongo import Client, database
from polku_runtime.outcomes import Received, Result
from polku_runtime.settings import Settings
from polku_runtime.testing import event
from polku_web.testing import SignIn, employ, signing_in

from .material import COACH, COORDINATOR, ELSEWHERE, OTHER_COACH, STEERING, opened

STAFF = {
    COACH: (["coach"], ["kainuu"]),
    OTHER_COACH: (["coach"], ["kainuu"]),
    COORDINATOR: (["coordinator"], ["kainuu"]),
    STEERING: (["steering"], ["kainuu"]),
    ELSEWHERE: (["manager"], ["lapland"]),
}
API = "/activities/api/v1"


@pytest.fixture
async def sessions(mongo_client: Client, settings: Settings, effects: Effects) -> Sessions:
    kept = Sessions(database(mongo_client, settings, "activities"), effects)
    await kept.create_indexes()
    await employ(kept.database, STAFF, effects.now())
    return kept


Hear = Callable[..., Awaitable[Sequence[Result]]]


@pytest.fixture
def hear(sessions: Sessions) -> Hear:
    """`await hear((data, version), …)`: one batch through the consumer, as the runner would give it."""
    apply = consumer.consume(sessions)

    async def given(*told: tuple[EventData, int]) -> Sequence[Result]:
        received = [
            Received(topic="polku.pathway.events", partition=0, offset=offset, event=event(*one))
            for offset, one in enumerate(told)
        ]
        return await apply(received)

    return given


@pytest.fixture
async def people(hear: Hear) -> None:
    """Three persons with open pathways."""
    await hear(*((opened(number), 1) for number in (1, 2, 3)))


@pytest.fixture
async def app(sessions: Sessions, environment: dict[str, object], effects: Effects) -> AsyncIterator[FastAPI]:
    """The service, running, over the same database as `sessions`."""
    del sessions  # it makes the indexes and keeps the staff
    made = create_api(ActivitiesSettings.model_validate(environment), effects=effects)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def sign_in(app: FastAPI, effects: Effects) -> AsyncIterator[SignIn]:
    """`await sign_in(COACH)` → a Person; one app serves them all."""
    async with signing_in(app, effects, api=API, form="/activities/sessions/new") as given:
        yield given
