from fastapi import FastAPI

from polku_referral.accounts import Accounts

from .conftest import Sender, SignIn
from .material import API, COORDINATOR, PAGES, body


async def test_in_and_answered(app: FastAPI, sender: Sender, sign_in: SignIn) -> None:
    first = await sender.post(body())
    assert first.status_code == 201, first.text
    again = await sender.post(body())
    assert again.status_code == 200, again.text
    assert again.json() == first.json()
    got = await sender.get(f"/referrals/{first.json()['id']}")
    assert got.status_code == 200, got.text

    accounts: Accounts = app.state.accounts
    token = await accounts.make_link(COORDINATOR)
    stranger = await sign_in(None)
    link = f"/referral/link/{token}"
    assert (await stranger.get(link)).status_code == 200
    opened = await stranger.http.post(link, data={})
    assert opened.status_code == 303, opened.text
    inbox = await stranger.get(PAGES)
    assert inbox.status_code == 200 and "Answer due" in inbox.text
    page = f"{PAGES}/{first.json()['id']}"
    shown = await stranger.get(page)
    assert shown.status_code == 200
    assert "Aino-Kanarialintu" in shown.text
    done = await stranger.submit(page, f"{page}/accept")
    assert done.status_code == 303, done.text
    print(done.headers["location"])
    assert (await stranger.http.get(done.headers["location"])).status_code == 200
    assert API
