"""The people's door as its pages: links that open once, the sign-in form, and the way on from it."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from fastapi import FastAPI

from polku_referral.door.accounts import Accounts
from polku_referral.door.sign_in import way_on
from polku_runtime.testing import Clock

from .conftest import SignIn
from .material import COORDINATOR, PAGES
from .signing_in import LOGIN, PASSWORD, SIGN_IN_PAGE, signing_in


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
    accounts: Accounts, app: FastAPI, sign_in: SignIn, password: str, again: str, said: str
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
async def test_odd_forms(accounts: Accounts, browser: Callable[..., httpx.AsyncClient], data: dict[str, str]) -> None:
    assert (await browser().post(SIGN_IN_PAGE, data=data)).status_code in (415, 422)


async def test_files_are_no_passwords(accounts: Accounts, browser: Callable[..., httpx.AsyncClient]) -> None:
    answer = await browser().post(SIGN_IN_PAGE, data={"login": LOGIN}, files={"password": ("x", b"y")})
    assert answer.status_code == 415
