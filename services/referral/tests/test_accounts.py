"""The people's door: passwords, lock-out, links that open once, and leaving."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from polku_referral.door.accounts import FREE_TRIES, Accounts, wait_after
from polku_referral.door.sign_in import way_on
from polku_runtime.testing import Clock
from polku_web.edge import Edge

from .conftest import Person, SignIn, said
from .material import COORDINATOR, PAGES

LOGIN, PASSWORD = "oona@example.fi", "korento kahvi kynnys"
SIGN_IN_PAGE = "/referral/sign-in"


@pytest.fixture
async def accounts(app: FastAPI) -> Accounts:
    """COORDINATOR has a password."""
    found: Accounts = app.state.accounts
    assert await found.open_link(await found.make_link(COORDINATOR), PASSWORD) is not None
    return found


async def signing_in(
    browser: httpx.AsyncClient, login: str = LOGIN, password: str = PASSWORD, further: str = "/"
) -> httpx.Response:
    return await browser.post(SIGN_IN_PAGE, data={"login": login, "password": password, "next": further})


async def test_passwords_are_kept_as_argon2id(accounts: Accounts, app: FastAPI) -> None:
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


# -- links --------------------------------------------------------------------------------------------------


async def test_a_link_opens_once(app: FastAPI, sign_in: SignIn) -> None:
    accounts: Accounts = app.state.accounts
    link = f"/referral/link/{await accounts.make_link(COORDINATOR)}"
    for _ in range(2):  # looking, as mail scanners do, uses nothing up
        page = await (await sign_in(None)).get(link)
        assert page.status_code == 200
        assert LOGIN in page.text
    first, second = await sign_in(None), await sign_in(None)
    answers = await asyncio.gather(*(one.http.post(link, data={}) for one in (first, second)))
    assert sorted(answer.status_code for answer in answers) == [303, 404]
    assert (await (await sign_in(None)).get(link)).status_code == 404
    for one, answer in zip((first, second), answers, strict=True):
        assert (await one.http.get(PAGES)).status_code == (200 if answer.status_code == 303 else 303)


async def test_a_link_lasts_two_days(app: FastAPI, sign_in: SignIn, clock: Clock) -> None:
    link = f"/referral/link/{await app.state.accounts.make_link(COORDINATOR)}"
    clock.advance(hours=47)
    assert (await (await sign_in(None)).get(link)).status_code == 200
    clock.advance(hours=2)
    person = await sign_in(None)
    assert (await person.get(link)).status_code == 404
    assert (await person.http.post(link, data={})).status_code == 404


async def test_the_database_opens_no_door(app: FastAPI) -> None:
    token = await app.state.accounts.make_link(COORDINATOR)
    rows = [row async for row in app.state.database["links"].find({})]
    assert len(rows) == 1
    assert token not in str(rows)


@pytest.mark.parametrize(
    ("password", "again", "said"),
    [
        ("short", "short", "12 to 200"),
        ("x" * 201, "x" * 201, "12 to 200"),
        (PASSWORD, "", "not the same"),
        ("", PASSWORD, "12 to 200"),
    ],
)
async def test_a_password_that_is_not_taken_uses_up_no_link(
    app: FastAPI, sign_in: SignIn, password: str, again: str, said: str
) -> None:
    person = await sign_in(None)
    link = f"/referral/link/{await app.state.accounts.make_link(COORDINATOR)}"
    refused = await person.http.post(link, data={"password": password, "again": again})
    assert refused.status_code == 422
    assert said in refused.text
    assert 'role="alert"' in refused.text
    assert PASSWORD not in refused.text
    assert (await person.http.post(link, data={"password": PASSWORD, "again": PASSWORD})).status_code == 303


async def test_a_new_password_ends_older_sessions(
    accounts: Accounts, browser: Callable[..., httpx.AsyncClient], clock: Clock
) -> None:
    old = browser()
    await signing_in(old)
    clock.advance(seconds=5)
    fresh = browser()
    link = f"/referral/link/{await accounts.make_link(COORDINATOR)}"
    assert (
        await fresh.post(link, data={"password": "toinen pitkä salasana", "again": "toinen pitkä salasana"})
    ).status_code == 303
    assert (await old.get(PAGES)).status_code == 303
    assert (await fresh.get(PAGES)).status_code == 200
    assert await accounts.sign_in(LOGIN, PASSWORD) is None


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


# -- the form -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "evil",
        "",
        "/\t/evil.example",
        "/\n/evil.example",
        "//[",
        "//[x]/",
        "//a\u2100b",
        SIGN_IN_PAGE,
        " /x",
    ],
)
def test_the_way_on_stays_here(asked: str) -> None:
    assert way_on(asked) == "/"


@pytest.mark.parametrize("asked", ["/pathway/", "/referral/referrals?state=received&after=x", "/indicators/#x"])
def test_the_way_on(asked: str) -> None:
    assert way_on(asked) == asked


async def test_strangers_come_back_to_where_they_were(
    accounts: Accounts, browser: Callable[..., httpx.AsyncClient]
) -> None:
    http = browser()
    sent = await http.get(f"{PAGES}?state=accepted")
    assert sent.status_code == 303
    page = await http.get(sent.headers["location"])
    assert 'name="next" value="/referral/referrals?state=accepted"' in page.text
    assert (await http.get("/")).headers["location"] == SIGN_IN_PAGE
    await signing_in(http)
    assert (await http.get("/")).headers["location"] == "/referral/"


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}])
async def test_no_other_site_signs_anybody_in_or_out(
    app: FastAPI, browser: Callable[..., httpx.AsyncClient], headers: dict[str, str]
) -> None:
    http = browser(headers=headers)
    link = f"/referral/link/{await app.state.accounts.make_link(COORDINATOR)}"
    assert (await signing_in(http)).status_code == 403
    assert (await http.post(link, data={})).status_code == 403
    assert (await http.post("/referral/sign-out", data={})).status_code in (303, 403)
    assert (await browser().post(link, data={})).status_code == 303


@pytest.mark.parametrize("data", [{}, {"login": "x" * 5000, "password": "x" * 5000}, {"login": "😀", "password": "ä"}])
async def test_odd_forms(browser: Callable[..., httpx.AsyncClient], data: dict[str, str]) -> None:
    assert (await browser().post(SIGN_IN_PAGE, data=data)).status_code in (415, 422)


async def test_files_are_no_passwords(browser: Callable[..., httpx.AsyncClient]) -> None:
    answer = await browser().post(SIGN_IN_PAGE, data={"login": LOGIN}, files={"password": ("x", b"y")})
    assert answer.status_code == 422
