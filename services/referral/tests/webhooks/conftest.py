"""A sender with webhooks, on an installation that may call this machine, at the present time."""

from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks.webhooks as official
from fastapi import FastAPI
from tests.receiver import Receiver

from polku_referral.settings import ReferralSettings
from polku_referral.webhooks.delivery import Delivery
from polku_referral.webhooks.endpoints import Webhooks
from polku_runtime.testing import Clock

from ..conftest import Sender
from .sending import WEBHOOKS, Register, all_due, delivery_of, post


@pytest.fixture
def referral_settings(referral_settings: ReferralSettings) -> ReferralSettings:
    return referral_settings.model_copy(update={"webhook_allow": "127.0.0.1", "webhook_timeout": 3.0})


@pytest.fixture
def clock() -> Clock:
    """Begins now: MongoDB deletes rows that are older than they may be by its own clock."""
    return Clock(datetime.now(UTC).replace(microsecond=0))


@pytest.fixture(autouse=True)
def same_time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The official library compares a message's time with the test's clock."""

    class Now(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return clock.now.astimezone(tz)

    monkeypatch.setattr(official, "datetime", Now)


@pytest.fixture
async def webhooks(app: FastAPI) -> Webhooks:
    made: Webhooks = app.state.webhooks
    await made.feed.create_indexes()
    await made.create_indexes()
    return made


@pytest.fixture
def delivery(app: FastAPI, webhooks: Webhooks) -> Delivery:
    return delivery_of(app)


@pytest.fixture
def register(sender: Sender, delivery: Delivery) -> Register:
    """`await register(receiver)` → a verified webhook, as the API told it; the receiver knows its secret."""

    async def made(receiver: Receiver, owner: Sender = sender, **more: Any) -> dict[str, Any]:
        told = await post(owner, WEBHOOKS, {"url": receiver.url, **more}, 201)
        receiver.secret = told["verify_with"] if told["scheme"] == "v1" else ""
        await all_due(delivery, told["id"])
        shown = (await owner.get(f"{WEBHOOKS}/{told['id']}")).json()
        assert shown["state"] == "active", shown
        return told

    return made
