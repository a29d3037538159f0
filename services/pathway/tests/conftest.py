"""A running pathway service without Kafka: its app over a real mongod, its consumer by hand, people who sign in."""

import html
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from polku_events import Event, EventData, service_of
from polku_pathway import consumer
from polku_pathway.app import create_api
from polku_pathway.catalogue import read_catalogue
from polku_pathway.model.pathway import Pathway
from polku_pathway.repository import Pathways
from polku_pathway.settings import PathwaySettings
from polku_runtime.access import Session, SessionSeal
from polku_runtime.effects import Effects
from polku_runtime.mongo import Client, database
from polku_runtime.outcomes import Received, Result
from polku_runtime.settings import Settings
from polku_runtime.testing import Clock

from .material import COORDINATOR, accepted

OTHER = "0197aaaa-0000-7000-8000-000000000002"
MANAGER = "0197aaaa-0000-7000-8000-000000000003"
COACH = "0197aaaa-0000-7000-8000-000000000004"
ELSEWHERE = "0197aaaa-0000-7000-8000-000000000005"
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
    for staff_id, (roles, programmes) in STAFF.items():
        await kept.database["staff"].insert_one(
            {
                "_id": staff_id,
                "version": 1,
                "roles": roles,
                "programmes": programmes,
                "active": True,
                "organisation_id": None,
                "sessions_valid_from": effects.now(),
            }
        )
    return kept


def event(data: EventData, number: int = 1) -> Event:
    """The envelope in which the referral service would send it; the same number is the same event."""
    return Event(
        id=f"event-{number}",
        type=data.TYPE,
        source=f"/polku/{service_of(data.TYPE)}",
        subject="subject",
        time=Clock().now,
        minor=0,
        version=number,
        correlation_id="correlation",
        causation_id=None,
        partition_key=data.partition_key,
        traceparent=None,
        data=data,
    )


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


@dataclass
class Person:
    """A browser, and an API client, of one signed-in staff member."""

    http: httpx.AsyncClient
    csrf: str = ""

    async def get(self, address: str, **more: Any) -> httpx.Response:
        answer = await self.http.get(address, **more)
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', answer.text)
        self.csrf = found[1] if found else self.csrf
        return answer

    async def submit(self, page: str, changes: dict[str, str | None] | None = None, to: str = "") -> httpx.Response:
        """Fills the form of a page and sends it as a browser without JavaScript would."""
        text = (await self.get(page)).text
        form = fields_of(text) | (changes or {})
        data = {name: value for name, value in form.items() if value is not None}
        return await self.http.post(to or page, data=data)

    async def command(self, address: str, body: object, version: int | None = None) -> httpx.Response:
        if not self.csrf:
            await self.get("/pathway/pathways")
        headers = {"x-csrf-token": self.csrf, **({} if version is None else {"if-match": f'"{version}"'})}
        return await self.http.post(f"/pathway/api/v1{address}", json=body, headers=headers)


def fields_of(text: str) -> dict[str, str | None]:
    """Names and values that the page's main form holds."""
    form = text[text.index('id="f-form"') :] if 'id="f-form"' in text else text
    found: dict[str, str | None] = {}
    for tag in re.findall(r"<input [^>]*>", form):
        attributes = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        kind = attributes.get("type")
        if kind in ("radio", "checkbox") and "checked" not in tag:
            continue
        found[attributes.get("name", "")] = html.unescape(attributes.get("value", ""))
    for name, options in re.findall(r'<select id="f-\w+" name="(\w+)".*?>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found


SignIn = Callable[..., Any]


@pytest.fixture
async def sign_in(pathways: Pathways, environment: dict[str, object], effects: Effects) -> AsyncIterator[SignIn]:
    """`await sign_in(MANAGER)` → a Person; one app serves them all."""
    settings = PathwaySettings.model_validate(environment)
    app = create_api(settings, effects=effects)
    seal = SessionSeal(settings.session_keys.get_secret_value(), settings.base_url)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))

        async def given(staff_id: str | None, language: str = "en") -> Person:
            cookies = {}
            if staff_id is not None:
                session = Session(f"session-{staff_id}", staff_id, effects.now(), effects.now())
                cookies[seal.cookie_name] = seal.seal(session)
            http = httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url=settings.base_url,
                cookies=cookies,
                headers={"accept-language": language},
            )
            return Person(await stack.enter_async_context(http))

        yield given


@pytest.fixture
async def pathway(hear: Hear, pathways: Pathways) -> Pathway:
    """One open pathway of COORDINATOR, waiting to start."""
    await hear(accepted())
    found = await pathways.open_of("person-1", "kainuu")
    assert found is not None
    return found
