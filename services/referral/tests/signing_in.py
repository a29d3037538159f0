"""Signing in with a password, for the tests of the people's door."""

import httpx

LOGIN, PASSWORD = "oona@example.fi", "korento kahvi kynnys"
SIGN_IN_PAGE = "/referral/sign-in"


async def signing_in(
    browser: httpx.AsyncClient, login: str = LOGIN, password: str = PASSWORD, further: str = "/"
) -> httpx.Response:
    return await browser.post(SIGN_IN_PAGE, data={"login": login, "password": password, "next": further})
