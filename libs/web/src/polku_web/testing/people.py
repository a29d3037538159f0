"""Staff who sign in to a running app, with a browser or as an API's client."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import httpx
from fastapi import FastAPI

from polku_runtime.access import Session, SessionSeal
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database
from polku_web.testing.forms import fields_of

Rights = tuple[Sequence[str], Sequence[str]]
"""Roles and programmes."""


@dataclass
class Person:
    """A browser, and an API client, of one staff member, or of a stranger.

    api: base of the API's addresses. form: a page with a form, where the token against forged requests is from.
    """

    http: httpx.AsyncClient
    api: str = ""
    form: str = ""
    csrf: str = ""

    async def get(self, address: str, **more: Any) -> httpx.Response:
        answer = await self.http.get(address, **more)
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', answer.text)
        self.csrf = found[1] if found else self.csrf
        return answer

    async def submit(
        self, page: str, to: str = "", changes: Mapping[str, str | list[str] | None] | None = None
    ) -> httpx.Response:
        """Fills the form of a page that leads to `to` (the page itself) and sends it; None leaves a field out."""
        form = fields_of((await self.get(page)).text, to or page)
        return await self.send(to or page, {**form, **(changes or {})})

    async def send(self, address: str, fields: Mapping[str, str | list[str] | None]) -> httpx.Response:
        given = {name: value for name, value in fields.items() if value is not None}
        return await self.http.post(address, data=given)

    async def read(self, address: str) -> Any:
        return (await self.http.get(self.api + address)).json()

    async def command(self, address: str, sent: object, version: int | None = None, **headers: str) -> httpx.Response:
        """POSTs JSON to the API. version: the one that was seen, for `If-Match`."""
        if not self.csrf:
            await self.get(self.form)
        seen = {} if version is None else {"if-match": f'"{version}"'}
        return await self.http.post(
            self.api + address, json=sent, headers={"x-csrf-token": self.csrf, **seen, **headers}
        )


class SignIn(Protocol):
    """`await sign_in(COACH)` → a Person; None is a stranger."""

    async def __call__(self, staff_id: str | None, language: str = "en") -> Person: ...


@asynccontextmanager
async def signing_in(app: FastAPI, effects: Effects, *, api: str, form: str) -> AsyncIterator[SignIn]:
    """Gives a `SignIn` to an app that runs already."""
    settings = app.state.settings
    seal = SessionSeal(settings.session_keys.get_secret_value(), settings.base_url)
    async with AsyncExitStack() as stack:

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
            return Person(await stack.enter_async_context(http), api, form)

        yield given


async def employ(database: Database, staff: Mapping[str, Rights], since: datetime) -> None:
    """Keeps staff as the service that signs people in tells of them; their sessions are good from `since` on."""
    await database["staff"].insert_many(
        {
            "_id": staff_id,
            "version": 1,
            "roles": list(roles),
            "programmes": list(programmes),
            "active": True,
            "organisation_id": None,
            "sessions_valid_from": since,
        }
        for staff_id, (roles, programmes) in staff.items()
    )
