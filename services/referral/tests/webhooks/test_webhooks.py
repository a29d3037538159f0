"""Webhooks as their owner handles them: registered, proven, taken away, listed; by the operator too."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from fastapi import FastAPI
from tests.receiver import receiving

from polku_referral.desk import Desk
from polku_referral.model.telling import channel_of
from polku_referral.model.webhook import CHALLENGE_S, MAX_WEBHOOKS, proves
from polku_referral.webhooks.delivery import Delivery
from polku_referral.webhooks.endpoints import Webhooks
from polku_referral.webhooks.trouble import in_trouble
from polku_runtime.logs import JsonFormatter
from polku_runtime.testing import Clock

from ..conftest import Sender
from ..material import COUNTY, TOWN
from ..terminal import Polku, printed, refused
from .sending import (
    WEBHOOKS,
    Register,
    all_due,
    attempts_of,
    happens,
    post,
)

SOMEWHERE = "https://receiver.example/polku"


async def test_nothing_is_sent_before_the_challenge_is_answered(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, clock: Clock
) -> None:
    async with receiving(behave=lambda _: 401) as receiver:
        told = await post(sender, WEBHOOKS, {"url": receiver.url}, 201)
        assert (told["state"], told["verify_with"][:6]) == ("unverified", "whsec_")
        await sender.sent("V-1")
        await happens(desk, webhooks)
        for delay in (*CHALLENGE_S[1:], 3600):
            assert await all_due(delivery, told["id"]) == 1
            clock.advance(seconds=delay)
        assert await all_due(delivery, told["id"]) == 0
        assert {message.told["type"] for message in receiver.seen} == {"webhook.challenge"}

        await sender.sign_on()
        receiver.behave, receiver.secret = (lambda _: 204), told["verify_with"]
        assert (await post(sender, f"{WEBHOOKS}/{told['id']}/verify", None, 202))["state"] == "unverified"
        await all_due(delivery, told["id"])
        assert (await sender.get(f"{WEBHOOKS}/{told['id']}")).json()["state"] == "active"
        assert receiver.verified == 1
        await post(sender, f"{WEBHOOKS}/{told['id']}/verify", None, 409)
        await sender.sent("V-2")
        await happens(desk, webhooks)
        await all_due(delivery, told["id"])
        assert [message.told["data"]["external_id"] for message in receiver.taken] == ["V-2"]
    assert [row["status"] for row in await attempts_of(sender, told["id"])] == [*[401] * 4, 200, 204]


def test_what_proves_a_challenge() -> None:
    assert proves(b"abc", "abc")
    assert proves(b' "abc"\n', "abc")
    assert proves(b'{"challenge": "abc"}', "abc")
    for other in (b"", b"abcd", b'{"type": "webhook.challenge", "data": {"challenge": "abc"}}', b"\xff", b"[" * 9999):
        assert not proves(other, "abc")


async def test_a_receiver_that_repeats_what_it_hears_proves_nothing(
    delivery: Delivery, webhooks: Webhooks, sender: Sender
) -> None:
    async with receiving(answer_with=lambda message: message.body) as receiver:
        told = await post(sender, WEBHOOKS, {"url": receiver.url}, 201)
        assert await all_due(delivery, told["id"]) == 1
    assert (await sender.get(f"{WEBHOOKS}/{told['id']}")).json()["state"] == "unverified"


async def test_another_organisations_webhook_is_unknown(
    desk: Desk, webhooks: Webhooks, sender: Sender, enrol: Callable[..., Any]
) -> None:
    told = await post(sender, WEBHOOKS, {"url": SOMEWHERE}, 201)
    county, reader = await enrol(COUNTY), await enrol(TOWN, scopes=("referrals:read",))
    assert (await county.get(WEBHOOKS)).json() == {"items": []}
    address = f"{WEBHOOKS}/{told['id']}"
    for place in ("", "/deliveries", "/attempts"):
        assert (await county.get(address + place)).status_code == 404
    for place in ("/verify", "/rotate", "/enable", "/deliveries/x/replay"):
        await post(county, address + place, None, 404)
    await post(county, f"{address}/replay", {"since": "2026-01-01T00:00:00Z"}, 404)
    gone = await county.http.delete(f"/referral/api/v1{address}", headers=county.headers)
    assert gone.status_code == 404
    await post(reader, WEBHOOKS, {"url": SOMEWHERE}, 403)
    assert (await sender.get(address)).json()["state"] == "unverified"


async def test_who_changed_where_events_go_is_in_the_trail(app: FastAPI, sender: Sender) -> None:
    told = await post(sender, WEBHOOKS, {"url": "https://asiat.example.fi/polku"}, 201)
    address = f"{WEBHOOKS}/{told['id']}"
    await post(sender, f"{address}/rotate", None, 200)
    assert (await sender.http.delete(f"/referral/api/v1{address}", headers=sender.headers)).status_code == 204
    rows = await app.state.database["audit"].find({"about": told["id"], "by": sender.client_id}).to_list()
    assert {row["action"] for row in rows} == {"webhook-added", "webhook-rotated", "webhook-removed"}


async def test_trials_are_apart(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register
) -> None:
    async with receiving() as receiver, receiving() as trial:
        real, tried = await register(receiver), await register(trial)
        await webhooks.store.rows.update_one({"_id": tried["id"]}, {"$set": {"channel": channel_of(TOWN, test=True)}})
        await sender.sent("T-real")
        await sender.sent("T-trial")
        await desk.repository.database["referrals"].update_one({"external_id": "T-trial"}, {"$set": {"test": True}})
        await happens(desk, webhooks)
        for webhook in (real, tried):
            await all_due(delivery, webhook["id"])
        assert [message.told["data"]["external_id"] for message in receiver.taken] == ["T-real"]
        assert [message.told["data"]["external_id"] for message in trial.taken] == ["T-trial"]


async def test_what_cannot_be_registered(webhooks: Webhooks, sender: Sender) -> None:
    for url, code in (("http://receiver.example/", "webhook-https"), ("https://10.0.0.1/", "webhook-address")):
        told = await post(sender, WEBHOOKS, {"url": url}, 422)
        assert [(error["pointer"], error["code"]) for error in told["errors"]] == [("/url", code)]
    told = await post(sender, WEBHOOKS, {"url": SOMEWHERE, "events": ["referral.accepted", "x"]}, 422)
    assert [(error["pointer"], error["code"]) for error in told["errors"]] == [("/events/1", "unknown-code")]
    await post(sender, WEBHOOKS, {"url": SOMEWHERE, "scheme": "v2"}, 422)
    await post(sender, WEBHOOKS, {"url": SOMEWHERE}, 201)
    assert (await post(sender, WEBHOOKS, {"url": SOMEWHERE}, 409))["refusal"] == "webhook-known"
    for number in range(1, MAX_WEBHOOKS):
        await post(sender, WEBHOOKS, {"url": f"{SOMEWHERE}/{number}"}, 201)
    assert (await post(sender, WEBHOOKS, {"url": f"{SOMEWHERE}/x"}, 409))["refusal"] == "webhooks-enough"


async def test_lists_page(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register
) -> None:
    async with receiving() as receiver:
        webhook = await register(receiver)
        for number in range(5):
            await sender.sent(f"P-{number}")
        await happens(desk, webhooks)
        await all_due(delivery, webhook["id"])
    for what in ("deliveries", "attempts"):
        seen: list[str] = []
        address: str | None = f"{WEBHOOKS}/{webhook['id']}/{what}?limit=4"
        while address:
            answer = await sender.get(address)
            seen += [row["type"] for row in answer.json()["items"]]
            after = answer.json()["next"]
            address = f"{WEBHOOKS}/{webhook['id']}/{what}?limit=4&after={after}" if after else None
        assert seen == [*["referral.received"] * 5, "webhook.challenge"]
    one = receiver.taken[2].id
    told = (await sender.get(f"{WEBHOOKS}/{webhook['id']}/attempts?delivery={one}")).json()["items"]
    assert [(row["delivery"], row["status"]) for row in told] == [(one, 204)]
    waiting = (await sender.get(f"{WEBHOOKS}/{webhook['id']}/deliveries?state=waiting")).json()["items"]
    assert waiting == []


async def test_a_webhook_in_trouble_is_seen_without_looking_for_it(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register, clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    async with receiving() as receiver, receiving() as other:
        webhook, well = await register(receiver), await register(other)
        receiver.behave = lambda _: 500
        await sender.sent()
        await happens(desk, webhooks)
        for one in (webhook, well):
            await all_due(delivery, one["id"])
        assert await in_trouble(webhooks) == []  # one refusal is none yet
        clock.advance(minutes=11)
        (found,) = await in_trouble(webhooks)
        assert (found.id, found.state, found.waiting, found.waiting_seconds) == (webhook["id"], "active", 1, 660)
        receiver.behave = lambda _: 410
        await all_due(delivery, webhook["id"])
        (found,) = await in_trouble(webhooks)
        assert (found.id, found.state, found.cause) == (webhook["id"], "disabled", "gone")
        (line,) = [record for record in caplog.records if record.msg == "a webhook is not called any more"]
        said = json.loads(JsonFormatter("worker").format(line))
        assert (said["webhook"], said["reason"]) == (webhook["id"], "gone")


async def test_the_operator_sees_and_repairs(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register, polku: Polku, clock: Clock
) -> None:
    async with receiving() as receiver:
        webhook = await register(receiver)
        receiver.behave = lambda _: 410
        await sender.sent()
        await happens(desk, webhooks)
        await all_due(delivery, webhook["id"])
        rows = json.loads((await polku("webhooks", "list", "--organisation", "kajaani", "--json")).stdout)
        assert [(row["id"], row["state"], row["cause"], row["waiting"]) for row in rows] == [
            (webhook["id"], "disabled", "gone", 1)
        ]
        assert (
            json.loads((await polku("webhooks", "list", "--organisation", "kainuu-hyvinvointi", "--json")).stdout) == []
        )
        tried = json.loads((await polku("webhooks", "attempts", webhook["id"], "--json")).stdout)
        assert [(row["status"], row["number"]) for row in tried] == [(410, 1), (200, 1)]
        refused(await polku("webhooks", "replay", webhook["id"], "--since", "2026-03-01"), "not in use")

        assert datetime.fromisoformat(rows[0]["waiting_since"]) == clock.now

        receiver.behave = lambda _: 204
        clock.advance(minutes=5)  # the commands have the real clock
        assert printed(await polku("webhooks", "enable", webhook["id"], "--json"))["state"] == "active"
        await all_due(delivery, webhook["id"])
        assert len(receiver.taken) == 2
        assert printed(await polku("webhooks", "replay", webhook["id"], "--since", "1.3.2026", "--json")) == {
            "places": 2
        }
        await all_due(delivery, webhook["id"])
        one = receiver.taken[0].id
        assert printed(await polku("webhooks", "replay", webhook["id"], "--delivery", one, "--json")) == {"places": 1}
        await all_due(delivery, webhook["id"])
        assert [message.id for message in receiver.taken].count(one) == 3
        refused(await polku("webhooks", "enable", webhook["id"]), "not been disabled")
        refused(await polku("webhooks", "attempts", "nothing"), "no such thing")
        refused(await polku("webhooks", "replay", webhook["id"]), "either")


async def test_a_challenge_that_is_not_answered_is_named(
    delivery: Delivery, webhooks: Webhooks, sender: Sender
) -> None:
    """A status 200 alone would leave its owner wondering why nothing comes."""
    async with receiving(answer_with=lambda _: b"OK") as receiver:
        told = await post(sender, WEBHOOKS, {"url": receiver.url}, 201)
        await all_due(delivery, told["id"])
    rows = await attempts_of(sender, told["id"])
    assert [(row["status"], row["error"]) for row in rows] == [(200, "challenge-not-answered")]
