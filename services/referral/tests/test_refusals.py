"""Every refused assertion and access token is one row in the audit trail, and a flood is bounded."""

import asyncio

import pytest
from fastapi import FastAPI

from polku_referral.audit import Audit
from polku_referral.door.oauth import TOKEN
from polku_referral.door.refusals import ASSERTION, FREE, Refusals
from polku_runtime.mongo import Document
from polku_runtime.testing import Clock

from .conftest import Sender
from .material import API, NOBODY, token_form
from .mutations import ASSERTIONS, access_tokens


@pytest.fixture
def unbounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than FREE refusals within a second are rows of their own."""
    monkeypatch.setattr("polku_referral.door.refusals.FREE", 10_000)


async def rows(app: FastAPI, action: str) -> list[Document]:
    found = app.state.database["audit"].find({"action": action}).sort([("_id.chain", 1), ("_id.seq", 1)])
    return [row async for row in found]


async def test_each_assertion_that_proves_nothing_is_one_row(
    unbounded: None, app: FastAPI, sender: Sender, clock: Clock
) -> None:
    assert len(ASSERTIONS) >= 30
    now = int(clock.now.timestamp())
    for number, (name, mutation) in enumerate(ASSERTIONS.items(), start=1):
        answer = await sender.http.post(TOKEN, data=token_form(mutation(sender, now)))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), name
        written = await rows(app, "client-refused")
        assert len(written) == number, name
        assert written[-1]["detail"], name
        assert written[-1]["by"] is None
    reasons = {name: row["detail"] for name, row in zip(ASSERTIONS, written, strict=True)}
    for name, reason in {
        "no jwt": "malformed",
        "another key": "signature",
        "unknown client": "unknown-client",
        "iss somebody else": "claim-iss",
        "aud the endpoint": "claim-aud",
        "expired": "expired",
        "lasts for a day": "lasts-too-long",
        "nbf in the future": "not-yet",
        "jti short": "claim-jti",
        "an access token as typ": "type",
    }.items():
        assert reasons[name] == reason, name
    # Whose it was said to be is kept only when it could be an id, and counted where there is such a client.
    assert {row.get("about") for row in written} == {None, "-", NOBODY, sender.client_id}
    met = (await app.state.directory.met([sender.client_id]))[sender.client_id]
    assert met.refused == sum(row.get("about") == sender.client_id for row in written) > 20
    assert await Audit(app.state.database, app.state.effects).verify() == []


async def test_each_access_token_that_opens_nothing_is_one_row(
    unbounded: None, app: FastAPI, sender: Sender, clock: Clock
) -> None:
    tokens = await access_tokens(app, sender, clock)
    sent = {name: token for name, token in tokens.items() if token}  # without a token nothing was refused
    for number, (name, token) in enumerate(sent.items(), start=1):
        answer = await sender.http.get(f"{API}/referrals", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401, name
        assert len(await rows(app, "token-refused")) == number, name
    reasons = {name: row["detail"] for name, row in zip(sent, await rows(app, "token-refused"), strict=True)}
    assert (reasons["expired"], reasons["another key"], reasons["typ JWT"]) == ("expired", "signature", "type")
    assert (reasons["another issuer"], reasons["another audience"]) == ("claim-iss", "claim-aud")
    about = {name: row.get("about") for name, row in zip(sent, await rows(app, "token-refused"), strict=True)}
    assert (about["expired"], about["another key"]) == (sender.client_id, None)  # known only when we signed it


async def test_a_used_assertion_and_a_shut_out_client_are_rows_too(app: FastAPI, sender: Sender) -> None:
    signed = sender.assertion()
    for _ in range(2):
        await sender.http.post(TOKEN, data=token_form(signed))
    await app.state.admin.revoke(None, sender.client_id, None)
    assert (await sender.sign_on()).status_code == 401
    await app.state.admin.restore(None, sender.client_id, None)
    await app.state.admin.open_organisation(None, "0197aaaa-0000-7000-8000-0000000000a1", None, active=False)
    assert (await sender.sign_on()).status_code == 401
    assert (await sender.http.post(TOKEN, data=token_form("x", client_assertion_type="x"))).status_code == 401
    found = [row["detail"] for row in await rows(app, "client-refused")]
    assert found == ["used-before", "revoked", "organisation-not-open", "assertion-type"]


async def test_a_token_of_a_revoked_client(app: FastAPI, sender: Sender) -> None:
    await app.state.admin.revoke(None, sender.client_id, None)
    assert (await sender.get("/referrals")).status_code == 401
    (row,) = await rows(app, "token-refused")
    assert (row["detail"], row["about"]) == ("revoked", sender.client_id)


async def test_a_flood_is_counted_and_bounded(app: FastAPI) -> None:
    refusals: Refusals = app.state.refusals
    await asyncio.gather(*(refusals.note(ASSERTION, "signature") for _ in range(1000)))
    await refusals.finish()
    written = await rows(app, ASSERTION)
    assert len(written) == FREE + 1
    assert sum(row.get("count", 1) for row in written) == 1000
    assert (written[-1]["detail"], written[-1]["count"]) == ("flood", 1000 - FREE)


async def test_the_second_closes_by_itself(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polku_referral.door.refusals.SECOND", 0.05)
    refusals: Refusals = app.state.refusals
    for turn in (1, 2):
        await asyncio.gather(*(refusals.note(ASSERTION, "signature") for _ in range(FREE + 7)))
        async with asyncio.timeout(10):
            while sum(row.get("count", 1) for row in await rows(app, ASSERTION)) < turn * (FREE + 7):
                await asyncio.sleep(0.02)
