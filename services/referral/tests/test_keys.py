"""The door's signing keys: a new one is published before it signs, an old one verifies for good."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import KeySet

from polku_events.refusals import Refused
from polku_referral.keys import OVERLAP, SigningKeys
from polku_referral.master import read_master_key
from polku_runtime.access.tokens import KEYS_FRESH_S
from polku_runtime.testing import Clock

from .conftest import Sender


@pytest.fixture
def keys(app: FastAPI) -> SigningKeys:
    found: SigningKeys = app.state.keys
    return found


@pytest.fixture
def elsewhere(app: FastAPI, referral_settings: Any, monkeypatch: pytest.MonkeyPatch) -> SigningKeys:
    """Another process; it, the app and its door look for new keys every time, since the tests' clock is not theirs."""
    monkeypatch.setattr("polku_referral.keys.RELOAD_S", 0.0)
    monkeypatch.setattr("polku_runtime.access.tokens.REFETCH_S", 0.0)
    return SigningKeys(app.state.database, read_master_key(referral_settings.master_key_file), app.state.effects)


async def kids(keys: SigningKeys) -> list[str]:
    return [key["kid"] for key in (await keys.published())["keys"]]


async def test_a_new_key_signs_when_everybody_has_it(
    keys: SigningKeys, elsewhere: SigningKeys, sender: Sender, clock: Clock
) -> None:
    assert timedelta(seconds=KEYS_FRESH_S) < OVERLAP
    old = await sender.sent("A-1")
    token = dict(sender.headers)
    made = await elsewhere.rotate()
    assert (made.kid, made.signs_from) == ("polku-2", clock.now + OVERLAP)
    # Published at once in every process; nothing is signed by it yet.
    assert await kids(keys) == ["polku-2", "polku-1"]
    assert (await keys.signer()).kid == (await elsewhere.signer()).kid == "polku-1"
    clock.advance(seconds=OVERLAP.total_seconds())
    assert (await keys.signer()).kid == (await elsewhere.signer()).kid == "polku-2"

    sender.headers = token
    clock.now -= timedelta(seconds=1)  # the token of before, in the last second of the overlap
    assert (await sender.get("/referrals")).status_code == 200
    clock.advance(seconds=1)
    assert (await sender.sign_on()).status_code == 200
    assert (await sender.get("/referrals")).status_code == 200
    new = await sender.sent("A-2")
    published = KeySet.import_key_set((await sender.http.get("/referral/oauth/jwks")).json())
    for answer, kid in ((old, "polku-1"), (new, "polku-2")):
        receipt = jwt.decode(answer["receipt"], published, algorithms=["ES256"])
        assert receipt.header["kid"] == kid


async def test_at_once_when_the_old_one_has_leaked(keys: SigningKeys, elsewhere: SigningKeys, sender: Sender) -> None:
    token = dict(sender.headers)
    await elsewhere.rotate(at_once=True)
    assert (await keys.signer()).kid == "polku-2"
    await elsewhere.retire("polku-1")
    assert await kids(keys) == ["polku-2"]
    assert [(one.kid, one.retired_at is None) for one in await keys.all()] == [("polku-2", True), ("polku-1", False)]
    assert (await sender.sign_on()).status_code == 200
    assert (await sender.get("/referrals")).status_code == 200  # the verifier fetched the key that it did not know
    sender.headers = token
    assert (await sender.get("/referrals")).status_code == 401


async def test_one_key_that_signs_stays(keys: SigningKeys, clock: Clock) -> None:
    await keys.signer()
    for kid in ("polku-1", "polku-9"):
        with pytest.raises(Refused):
            await keys.retire(kid)
    await keys.rotate()
    with pytest.raises(Refused, match="last-key"):
        await keys.retire("polku-1")  # the new one does not sign yet
    clock.advance(seconds=OVERLAP.total_seconds())
    await keys.retire("polku-1")
    with pytest.raises(Refused, match="unknown-key"):
        await keys.retire("polku-1")


async def test_two_who_rotate_at_once_make_keys_one_after_the_other(keys: SigningKeys, elsewhere: SigningKeys) -> None:
    results = await asyncio.gather(*(one.rotate() for one in (keys, elsewhere) * 3), return_exceptions=True)
    made = [one.kid for one in results if not isinstance(one, BaseException)]
    refused = [one for one in results if isinstance(one, BaseException)]
    assert len(made) == len(set(made)) >= 1
    assert all(isinstance(one, Refused) for one in refused)
    assert len(await keys.all()) == len(made) + 1


async def test_a_key_of_before_there_were_several_still_signs(keys: SigningKeys, elsewhere: SigningKeys) -> None:
    await keys.signer()
    await keys.collection.update_one({"_id": 1}, {"$unset": {"signs_from": True}})
    assert (await elsewhere.signer()).kid == "polku-1"
