"""Secrets and signatures of webhooks: anybody's tools verify them, they are replaced without a gap, and they go away."""

import json
from base64 import b64decode
from datetime import timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import FastAPI
from standardwebhooks import Webhook as Official
from standardwebhooks import WebhookVerificationError
from tests.receiver import receiving

from polku_referral.desk import Desk
from polku_referral.webhooks import signatures
from polku_referral.webhooks.delivery import Delivery
from polku_referral.webhooks.endpoints import Webhooks
from polku_runtime.testing import Clock

from ..conftest import Sender
from .sending import (
    WEBHOOKS,
    Register,
    all_due,
    happens,
    post,
)


def verify_asymmetric(public: str, body: bytes, headers: dict[str, str]) -> None:
    """Raises InvalidSignature unless one of the signatures fits."""
    key = Ed25519PublicKey.from_public_bytes(b64decode(public.removeprefix("whpk_")))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    for one in headers["webhook-signature"].split(" "):
        version, _, signature = one.partition(",")
        assert version == "v1a"
        try:
            return key.verify(b64decode(signature), signed)
        except InvalidSignature:
            continue
    raise InvalidSignature


async def test_rotating_leaves_no_gap(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register, clock: Clock
) -> None:
    async with receiving() as receiver:
        webhook = await register(receiver)
        old, receiver.secret = receiver.secret, ""
        rotated = await post(sender, f"{WEBHOOKS}/{webhook['id']}/rotate")
        new = rotated["verify_with"]
        assert rotated["both_until"].startswith((clock.now + timedelta(hours=24)).strftime("%Y-%m-%dT%H:%M"))
        await sender.sent("G-1")
        await happens(desk, webhooks)
        await all_due(delivery, webhook["id"])
        both = receiver.taken[-1]
        for secret in (old, new):
            Official(secret).verify(both.body, both.headers)
        assert both.headers["webhook-signature"].count("v1,") == 2

        clock.advance(hours=24, seconds=1)
        await sender.sign_on()
        await sender.sent("G-2")
        await happens(desk, webhooks)
        await all_due(delivery, webhook["id"])
        only = receiver.taken[-1]
        Official(new).verify(only.body, only.headers)
        with pytest.raises(WebhookVerificationError):
            Official(old).verify(only.body, only.headers)


async def test_asymmetric_signatures(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register
) -> None:
    async with receiving() as receiver:
        webhook = await register(receiver, scheme="v1a")
        assert webhook["verify_with"].startswith("whpk_")
        await sender.sent()
        await happens(desk, webhooks)
        await all_due(delivery, webhook["id"])
        message = receiver.taken[0]
        verify_asymmetric(webhook["verify_with"], message.body, message.headers)
        with pytest.raises(InvalidSignature):
            verify_asymmetric(webhook["verify_with"], message.body + b" ", message.headers)
        new = (await post(sender, f"{WEBHOOKS}/{webhook['id']}/rotate"))["verify_with"]
        await sender.sent("A-2")
        await happens(desk, webhooks)
        await all_due(delivery, webhook["id"])
        for public in (webhook["verify_with"], new):
            verify_asymmetric(public, receiver.taken[1].body, receiver.taken[1].headers)


def test_any_changed_byte_is_noticed(clock: Clock) -> None:
    key = signatures.new_key()
    body = json.dumps({"type": "referral.accepted", "data": {}})
    told = signatures.headers("v1", [key], "item-1", clock.now, body)
    official = Official(signatures.for_receiver("v1", key))
    official.verify(body, told)
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        changed = {**told, name: told[name][:-2] + ("1" if told[name][-2] != "1" else "2") + told[name][-1]}
        with pytest.raises(WebhookVerificationError):
            official.verify(body, changed)
    with pytest.raises(WebhookVerificationError):
        official.verify(body.replace("accepted", "declined"), told)


async def test_secrets_are_sealed_and_go_away(
    app: FastAPI, desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register, clock: Clock
) -> None:
    keys = app.state.database["webhook_keys"]
    async with receiving() as receiver:
        webhook = await register(receiver)
        secret = b64decode(webhook["verify_with"].removeprefix("whsec_"))
        assert secret not in (await keys.find_one({}))["key"]
        shown = (await sender.get(WEBHOOKS)).text + (await sender.get(f"{WEBHOOKS}/{webhook['id']}")).text
        assert "whsec_" not in shown
        assert "verify_with" not in shown

        receiver.behave = lambda _: 410
        await sender.sent()
        await happens(desk, webhooks)
        await all_due(delivery, webhook["id"])
        row = await keys.find_one({})
        assert row["until"] == clock.now + timedelta(days=30)
        clock.advance(days=31)  # MongoDB deletes it by itself; until then it is as good as gone
        await sender.sign_on()
        await post(sender, f"{WEBHOOKS}/{webhook['id']}/enable", None, 409)
        receiver.secret = (await post(sender, f"{WEBHOOKS}/{webhook['id']}/rotate"))["verify_with"]
        receiver.behave = lambda _: 204
        await post(sender, f"{WEBHOOKS}/{webhook['id']}/enable")
        await all_due(delivery, webhook["id"])
        assert [message.told["type"] for message in receiver.taken] == ["referral.received", "webhook.disabled"]

        await sender.sent("S-2")
        await happens(desk, webhooks)
        gone = await sender.http.delete(f"/referral/api/v1{WEBHOOKS}/{webhook['id']}", headers=sender.headers)
        assert gone.status_code == 204
        assert await keys.count_documents({}) == 0
        assert await webhooks.deliveries.rows.count_documents({"state": "waiting"}) == 0
        assert await all_due(delivery, webhook["id"]) == 0
