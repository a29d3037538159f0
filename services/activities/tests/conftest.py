"""A running activities service without Kafka: its app over a real mongod, its consumer by hand, people who sign in."""

import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import pytest

from polku_activities import consumer
from polku_activities.app import create_api
from polku_activities.repository import Sessions
from polku_activities.settings import ActivitiesSettings
from polku_events import Event, EventData, service_of
from polku_runtime.access import Session, SessionSeal
from polku_runtime.effects import Effects
from polku_runtime.mongo import Client, database
from polku_runtime.outcomes import Received, Result
from polku_runtime.settings import Settings

from .material import COACH, COORDINATOR, ELSEWHERE, NOW, OTHER_COACH, STEERING, opened

STAFF = {
    COACH: (["coach"], ["kainuu"]),
    OTHER_COACH: (["coach"], ["kainuu"]),
    COORDINATOR: (["coordinator"], ["kainuu"]),
    STEERING: (["steering"], ["kainuu"]),
    ELSEWHERE: (["manager"], ["lapland"]),
}
API = "/activities/api/v1"

Form = dict[str, str | list[str]]


@pytest.fixture
async def sessions(mongo_client: Client, settings: Settings, effects: Effects) -> Sessions:
    kept = Sessions(database(mongo_client, settings, "activities"), effects)
    await kept.create_indexes()
    await kept.database["staff"].insert_many(
        {
            "_id": staff_id,
            "version": 1,
            "roles": roles,
            "programmes": programmes,
            "active": True,
            "organisation_id": None,
            "sessions_valid_from": effects.now(),
        }
        for staff_id, (roles, programmes) in STAFF.items()
    )
    return kept


def event(data: EventData, version: int = 1) -> Event:
    """The envelope in which its service would send it, as the aggregate's event of that number."""
    return Event(
        id=f"event-{version}",
        type=data.TYPE,
        source=f"/polku/{service_of(data.TYPE)}",
        subject="subject",
        time=NOW,
        minor=0,
        version=version,
        correlation_id="correlation",
        causation_id=None,
        partition_key=data.partition_key,
        traceparent=None,
        data=data,
    )


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

    async def submit(self, page: str, to: str = "", **changes: str | list[str]) -> httpx.Response:
        """Fills the form of a page that leads to `to` and sends it as a browser without JavaScript would."""
        return await self.send(to or page, fields_of((await self.get(page)).text, to or page) | changes)

    async def send(self, address: str, form: Mapping[str, str | list[str]]) -> httpx.Response:
        return await self.http.post(address, data=dict(form))

    async def read(self, address: str) -> Any:
        return (await self.http.get(API + address)).json()

    async def command(self, address: str, body: object, version: int | None = None) -> httpx.Response:
        if not self.csrf:
            await self.get("/activities/sessions/new")
        headers = {"x-csrf-token": self.csrf, **({} if version is None else {"if-match": f'"{version}"'})}
        return await self.http.post(API + address, json=body, headers=headers)


def fields_of(page: str, action: str) -> Form:
    """What a browser would send of the form that leads to `action`, before anybody changes anything."""
    form = page[page.index(f'action="{action}"') :]
    form = form[: form.index("</form>")]
    found: Form = {}
    for tag in re.findall(r"<input [^>]*>", form):
        attributes = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        name, value = attributes["name"], html.unescape(attributes.get("value", ""))
        if attributes.get("type") == "checkbox":
            ticked = found.setdefault(name, [])
            if " checked" in tag and isinstance(ticked, list):
                ticked.append(value)
        elif attributes.get("type") != "radio" or " checked" in tag:
            found[name] = value
    for name, options in re.findall(r'<select [^>]*name="([^"]+)".*?>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        found[name] = html.unescape(chosen[1]) if chosen else ""
    return found


def text_of(page: str) -> str:
    """What a reader sees, on one line."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page)))


class SignIn(Protocol):
    async def __call__(self, staff_id: str | None, language: str = "en") -> Person: ...


@pytest.fixture
async def sign_in(sessions: Sessions, environment: dict[str, object], effects: Effects) -> AsyncIterator[SignIn]:
    """`await sign_in(COACH)` → a Person; one app serves them all."""
    settings = ActivitiesSettings.model_validate(environment)
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
