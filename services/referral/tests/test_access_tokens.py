"""What an access token opens in the services, and the tokens that open nothing."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import httpx
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import KeySet

from polku_runtime.testing import Clock
from polku_web.formats import HELSINKI

from .conftest import Sender
from .material import API, TOWN
from .mutations import access, access_tokens


async def test_access_tokens_that_open_nothing(app: FastAPI, sender: Sender, clock: Clock) -> None:
    good, tokens = await access(app, sender, clock), await access_tokens(app, sender, clock)
    for name, token in tokens.items():
        answer = await sender.http.get(f"{API}/referrals", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401, name
        assert answer.json()["code"] == "not-signed-in", name
        assert answer.headers["www-authenticate"] == ('Bearer error="invalid_token"' if token else "Bearer"), name
        assert token[:20] not in answer.text or not token, name
    assert (await sender.http.get(f"{API}/referrals", headers={"authorization": f"Bearer {good}"})).status_code == 200
    for scheme in ("Basic", "DPoP", ""):
        answer = await sender.http.get(f"{API}/referrals", headers={"authorization": f"{scheme} {good}"})
        assert answer.status_code == 401, scheme


async def test_an_access_token_ends(sender: Sender, clock: Clock) -> None:
    clock.advance(minutes=10)
    assert (await sender.get("/referrals")).status_code == 200  # the leeway
    clock.advance(seconds=31)
    assert (await sender.get("/referrals")).status_code == 401


async def test_a_token_says_who_and_what(sender: Sender, browser: Callable[..., httpx.AsyncClient]) -> None:
    answer = (await sender.sign_on()).json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 600)
    keys = KeySet.import_key_set((await browser().get("/referral/oauth/jwks")).json())
    token = jwt.decode(answer["access_token"], keys, algorithms=["ES256"])
    assert token.header["typ"] == "at+jwt"
    assert (token.claims["client_id"], token.claims["organisation"]) == (sender.client_id, TOWN)


async def test_all_processes_sign_with_one_key(app: FastAPI, referral_settings: Any) -> None:
    from polku_referral.keys import SigningKeys
    from polku_referral.master import read_master_key

    other = SigningKeys(app.state.database, read_master_key(referral_settings.master_key_file), app.state.effects)
    assert await other.published() == await app.state.keys.published()


async def test_an_organisation_s_last_day_is_over_while_its_client_holds_a_token(
    app: FastAPI, sender: Sender, clock: Clock
) -> None:
    """No new token from midnight on; the one of before ends by itself within ten minutes."""
    clock.now = datetime(2026, 3, 2, 23, 58, tzinfo=HELSINKI).astimezone(UTC)
    await app.state.admin.change_organisation(None, TOWN, None, {"valid_until": date(2026, 3, 2)})
    assert (await sender.sign_on()).status_code == 200
    clock.advance(minutes=3)
    assert (await sender.sign_on()).status_code == 401
    assert (await sender.get("/referrals")).status_code == 200
    clock.advance(minutes=8)
    assert (await sender.get("/referrals")).status_code == 401
