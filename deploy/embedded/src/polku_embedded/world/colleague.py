"""A staff member at a browser: signs in, carries the cookie and the form token, uses the JSON API."""

import asyncio
import re
import time
from typing import Any

import httpx

CSRF = re.compile(r'"X-CSRF-Token": "([0-9a-f]+)"|name="csrf" value="([0-9a-f]+)"')
RETRY_S = 0.3
HOME = "/"


class Colleague:
    """One signed-in person. Trouble that may pass is tried again; a repeated command that was done already is fine."""

    def __init__(self, http: httpx.AsyncClient, patience_s: float = 60) -> None:
        self.http = http
        self.patience_s = patience_s
        self.csrf = ""

    async def open_link(self, link: str, password: str = "") -> None:
        """Signs in by a one-time link and sets a password if one is given."""
        form = {"password": password, "again": password}
        answer = await self.http.post(link, data=form)
        if answer.status_code != httpx.codes.SEE_OTHER:
            raise PermissionError("the link did not sign in")
        await self._learn_token()

    async def sign_in(self, login: str, password: str) -> None:
        answer = await self.http.post("/referral/sign-in", data={"login": login, "password": password})
        if answer.status_code != httpx.codes.SEE_OTHER:
            raise PermissionError("login and password did not fit")
        await self._learn_token()

    async def get(self, address: str, **query: Any) -> Any:
        """JSON of an API address."""
        return (await self._patiently("GET", address, params=query or None)).json()

    async def command(self, address: str, body: Any, version: int | None = None) -> httpx.Response:
        """A command with If-Match; the answer whatever it is, but for 5xx, which is tried again."""
        headers = {"x-csrf-token": self.csrf, **({} if version is None else {"if-match": f'"{version}"'})}
        return await self._patiently("POST", address, json=body, headers=headers)

    async def _learn_token(self) -> None:
        page = await self._patiently("GET", HOME, follow_redirects=True)
        found = CSRF.search(page.text)
        if found is None:
            raise PermissionError("the page has no form token; is somebody signed in?")
        self.csrf = found[1] or found[2]

    async def _patiently(self, method: str, address: str, **more: Any) -> httpx.Response:
        deadline = time.monotonic() + self.patience_s
        while True:
            try:
                answer = await self.http.request(method, address, **more)
                if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    return answer
            except httpx.TransportError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"{method} was not answered within {self.patience_s:.0f} s")
            await asyncio.sleep(RETRY_S)
