"""Signing in with a password, for the tests of the people's door."""

import httpx
import pytest
from fastapi import FastAPI
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from polku_referral.door.accounts import Accounts

from .material import COORDINATOR

LOGIN, PASSWORD = "oona@example.fi", "korento kahvi kynnys"
SIGN_IN_PAGE = "/referral/sign-in"


@pytest.fixture
async def accounts(app: FastAPI) -> Accounts:
    """COORDINATOR has a password. Hashing costs next to nothing here; how dear it really is has a test of its own."""
    found: Accounts = app.state.accounts
    found._hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    assert await found.open_link(await found.make_link(COORDINATOR), PASSWORD) is not None
    return found


async def signing_in(
    browser: httpx.AsyncClient, login: str = LOGIN, password: str = PASSWORD, further: str = "/"
) -> httpx.Response:
    return await browser.post(SIGN_IN_PAGE, data={"login": login, "password": password, "next": further})
