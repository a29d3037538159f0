"""The people's door: passwords, lock-out, and leaving."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from polku_referral.door.accounts import FREE_TRIES, Accounts, wait_after
from polku_runtime.testing import Clock
from polku_web.edge import Edge

from .conftest import Person, said
from .material import COORDINATOR, PAGES
from .signing_in import LOGIN, PASSWORD, SIGN_IN_PAGE, signing_in


async def test_passwords_are_kept_as_argon2id(app: FastAPI) -> None:
    accounts: Accounts = app.state.accounts
    assert await accounts.open_link(await accounts.make_link(COORDINATOR), PASSWORD) is not None
    row = await app.state.database["staff"].find_one({"_id": COORDINATOR})
    assert row["password"].startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD not in str(row)
    assert all("password" not in str(entry["data"]) for entry in row["outbox"])


async def test_in_with_a_password_and_out_everywhere(
    accounts: Accounts, browser: Callable[..., httpx.AsyncClient], clock: Clock
) -> None:
    at_work, at_home = browser(), browser()
    for one in (at_work, at_home):
        answer = await signing_in(one, login=" Oona@Example.fi ", further=f"{PAGES}?state=received")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGES}?state=received")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert (await one.get(PAGES)).status_code == 200
    assert (await at_work.get(SIGN_IN_PAGE)).status_code == 303
    clock.advance(minutes=1)
    person = Person(at_work)
    await person.get(PAGES)
    out = await at_work.post("/referral/sign-out", data={"csrf": person.csrf})
    assert (out.status_code, out.headers["location"]) == (303, SIGN_IN_PAGE)
    assert "Max-Age=0" in out.headers["set-cookie"]
    for one in (at_work, at_home):
        assert (await one.get(PAGES)).headers["location"].startswith(SIGN_IN_PAGE)


async def test_who_is_no_member_and_who_errs_hear_the_same(
    accounts: Accounts, browser: Callable[..., httpx.AsyncClient]
) -> None:
    http = browser(headers={"accept-language": "en"})
    answers = [
        await signing_in(http, password="wrong"),
        await signing_in(http, login="nobody@example.fi"),
        await signing_in(http, login="veera@example.fi"),  # has no password yet
        await signing_in(http, password=""),
    ]
    for answer in answers:
        assert answer.status_code == 422
        assert "do not fit" in answer.text
        assert "set-cookie" not in answer.headers
        assert PASSWORD not in answer.text


async def test_a_member_who_left(accounts: Accounts, app: FastAPI, browser: Callable[..., httpx.AsyncClient]) -> None:
    http = browser()
    assert (await signing_in(http)).status_code == 303
    await app.state.database["staff"].update_one({"_id": COORDINATOR}, {"$set": {"active": False}})
    assert (await http.get(PAGES)).status_code == 303
    assert (await signing_in(browser())).status_code == 422
    assert await accounts.open_link(await accounts.make_link(COORDINATOR), None) is None


async def test_tries_are_slowed_down(accounts: Accounts, clock: Clock) -> None:
    for _ in range(FREE_TRIES):
        assert await accounts.sign_in(LOGIN, "wrong") is None
    assert await accounts.sign_in(LOGIN, PASSWORD) is None  # right, but too soon
    clock.advance(seconds=1)
    assert await accounts.sign_in(LOGIN, "wrong") is None
    clock.advance(seconds=1)
    assert await accounts.sign_in(LOGIN, PASSWORD) is None
    clock.advance(seconds=1)
    assert await accounts.sign_in(LOGIN, PASSWORD) is not None
    assert await accounts.sign_in(LOGIN, "wrong") is None
    assert await accounts.sign_in(LOGIN, PASSWORD) is not None  # a success forgets


async def test_many_tries_at_once_are_many_tries(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    async def verify(password: str, hashed: str | None) -> bool:
        nonlocal looked
        looked += 1
        await asyncio.sleep(0.05)
        return False

    monkeypatch.setattr(accounts, "_verify", verify)
    await asyncio.gather(*(accounts.sign_in(LOGIN, f"guess-{n}") for n in range(40)))
    assert looked <= FREE_TRIES


async def test_the_lock_of_one_login_is_not_that_of_another(accounts: Accounts) -> None:
    for _ in range(FREE_TRIES + 1):
        await accounts.sign_in("veera@example.fi", "wrong")
    assert await accounts.sign_in(LOGIN, PASSWORD) is not None


def test_waits_grow_and_end() -> None:
    waits = [wait_after(tries) for tries in range(100)]
    assert waits[:8] == [timedelta(seconds=s) for s in (0, 0, 0, 0, 0, 1, 2, 4)]
    assert max(waits) == timedelta(minutes=15)
    assert waits == sorted(waits)


async def test_an_unknown_login_takes_as_long(accounts: Accounts) -> None:
    """Both hash once; what differs is not worth measuring on a shared machine, so the calls are counted."""
    calls: list[bool] = []
    verify = accounts._hasher.verify

    class Counting:
        hash = staticmethod(accounts._hasher.hash)

        @staticmethod
        def verify(password: str, hashed: str) -> bool:
            calls.append(True)
            return verify(password, hashed)

    accounts._hasher = Counting()  # type: ignore[assignment]
    for login in (LOGIN, "nobody@example.fi"):
        calls.clear()
        await accounts.sign_in(login, "wrong")
        assert calls == [True]


async def test_leaving_is_told_to_all_services(accounts: Accounts, app: FastAPI, clock: Clock) -> None:
    clock.advance(seconds=5)
    await asyncio.gather(*(accounts.sign_out_everywhere(COORDINATOR) for _ in range(3)))
    row = await app.state.database["staff"].find_one({"_id": COORDINATOR})
    assert row["sessions_valid_from"] == clock.now
    assert [entry["version"] for entry in row["outbox"]] == list(range(1, row["version"] + 1))
    assert set(await said(app.state.desk, "staff")) == {"polku.staff.changed.v1"}


async def test_a_busy_machine_hashes_longer_than_the_database_may_take(
    accounts: Accounts, app: FastAPI, browser: Callable[..., httpx.AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    await browser().get(SIGN_IN_PAGE)  # the layers are put together by the first request
    layer: Any = app.middleware_stack
    while not isinstance(layer, Edge):
        layer = layer.app
    await accounts.sign_in("nobody@example.fi", "x")  # what it is compared with is hashed at the first time
    hashing, verifying = accounts._hasher.hash, accounts._hasher.verify

    def slowly(work: Callable[..., Any]) -> Callable[..., Any]:
        def done(*given: Any) -> Any:
            time.sleep(1.2)
            return work(*given)

        return done

    monkeypatch.setattr(layer, "database_seconds", 1.0)
    monkeypatch.setattr(accounts._hasher, "hash", slowly(hashing))
    monkeypatch.setattr(accounts._hasher, "verify", slowly(verifying))
    assert (await signing_in(browser())).status_code == 303
    link = f"/referral/link/{await accounts.make_link(COORDINATOR)}"
    assert (await browser().post(link, data={"password": PASSWORD, "again": PASSWORD})).status_code == 303
