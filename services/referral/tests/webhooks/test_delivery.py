"""Events on their way to a sender's webhook: at least once, in order per referral, whatever the receiver does."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from tests.receiver import Behaviour, Message, in_order, receiving

from polku_referral.desk import Desk
from polku_referral.model.webhook import SCHEDULE_S, Webhook
from polku_referral.webhooks.delivery import Delivery
from polku_referral.webhooks.endpoints import Webhooks
from polku_runtime.testing import Clock
from polku_runtime.testing.workers import until

from ..conftest import Sender
from ..feeding import story
from ..material import leaks
from .sending import (
    AT_ONCE_S,
    WEBHOOKS,
    Register,
    all_due,
    attempts_of,
    happens,
    later,
    nothing_waits,
    post,
    sending,
)


async def test_what_arrives(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register
) -> None:
    async with receiving() as receiver:
        webhook = await register(receiver)
        told = await sender.sent()
        await story(desk, told["id"], "accept", "conclude")
        await happens(desk, webhooks)
        async with sending(delivery):
            await receiver.until(lambda: len(receiver.taken) == 3)
            await nothing_waits(delivery)
        feed = (await sender.get("/events")).json()["items"]
    for message, item in zip(receiver.taken, feed, strict=True):
        assert (message.id, message.told) == (item["id"], {k: v for k, v in item.items() if k != "id"})
        assert (len(message.body) < 20_000, leaks(message.body.decode())) == (True, [])
        assert message.headers["content-type"] == "application/json"
    assert receiver.taken[2].told["data"]["outcome"] == "education"
    assert receiver.verified == 4  # with the challenge
    rows = await attempts_of(sender, webhook["id"])
    assert [(row["type"], row["status"], row["error"]) for row in rows] == [
        ("webhook.challenge", 200, None),
        *((item["type"], 204, None) for item in feed),
    ]


async def test_events_that_a_webhook_wants(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register
) -> None:
    async with receiving() as receiver:
        webhook = await register(receiver, events=["referral.accepted"])
        await story(desk, (await sender.sent())["id"], "ask", "accept", "conclude")
        await happens(desk, webhooks)
        await all_due(delivery, webhook["id"])
    assert [message.told["type"] for message in receiver.taken] == ["referral.accepted"]


async def test_a_receiver_that_does_everything_wrong_first(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register, clock: Clock
) -> None:
    faults: list[Any] = ["reset", 500, (302, {"location": "http://127.0.0.1:1/"}), "hang", 404, "slow"]
    async with receiving() as receiver:
        webhook = await register(receiver)
        told = await sender.sent()
        await story(desk, told["id"], "ask", "answer", "accept")
        await happens(desk, webhooks)
        receiver.behave = lambda _: faults.pop(0) if faults else 204
        for delay in (*SCHEDULE_S[1:6], 0):
            assert await all_due(delivery, webhook["id"]) >= 1
            clock.advance(seconds=delay)
    await sender.sign_on()
    assert (len(faults), [message.told["data"]["version"] for message in receiver.taken]) == (0, [1, 2, 3, 4])
    rows = [row for row in await attempts_of(sender, webhook["id"]) if row["type"] == "referral.received"]
    assert [(row["number"], row["status"], row["error"]) for row in rows] == [
        (1, None, "broken-off"),
        (2, 500, None),
        (3, 302, None),
        (4, None, "timeout"),
        (5, 404, None),
        (6, 200, None),
    ]
    assert len({message.id for message in receiver.seen if message.told["type"] == "referral.received"}) == 1


async def test_down_for_two_days(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register, clock: Clock
) -> None:
    """Nobody listens at all; what happens meanwhile arrives afterwards, every referral in its order."""
    async with receiving() as receiver:
        webhook = await register(receiver)
        secret, port = receiver.secret, receiver.port
    ids = [(await sender.sent(f"D-{number}"))["id"] for number in range(3)]
    until = clock.now.timestamp() + 48 * 3600
    for step in ("ask", "answer", "accept"):
        await happens(desk, webhooks)
        await all_due(delivery, webhook["id"])
        await later(delivery, webhook["id"], clock)
        for referral_id in ids:
            await story(desk, referral_id, step)
    await happens(desk, webhooks)
    while clock.now.timestamp() < until:
        await all_due(delivery, webhook["id"])
        await later(delivery, webhook["id"], clock)
    async with receiving(port=port, secret=secret) as receiver:
        while len(receiver.taken) < 12:
            await later(delivery, webhook["id"], clock)
            await all_due(delivery, webhook["id"])
        assert len(receiver.taken) == receiver.verified == 12
    assert clock.now.timestamp() < until + 86_400
    await sender.sign_on()
    assert in_order(receiver.taken)
    assert {message.told["data"]["external_id"] for message in receiver.taken} == {"D-0", "D-1", "D-2"}
    rows = await attempts_of(sender, webhook["id"])
    assert {row["error"] for row in rows} == {None, "connect"}
    assert sum(row["error"] == "connect" for row in rows) >= 3 * 5
    shown = (await sender.get(f"{WEBHOOKS}/{webhook['id']}/deliveries")).json()["items"]
    assert {row["state"] for row in shown} == {"delivered"}


async def test_retry_after_is_honoured(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register, clock: Clock
) -> None:
    async with receiving() as receiver:
        webhook = await register(receiver)
        receiver.behave = lambda _: (503, {"retry-after": "600"})
        await sender.sent()
        await happens(desk, webhooks)
        await all_due(delivery, webhook["id"])
        clock.advance(seconds=599)
        receiver.behave = lambda _: 204
        assert await all_due(delivery, webhook["id"]) == 0
        clock.advance(seconds=1)
        assert await all_due(delivery, webhook["id"]) == 1
        assert len(receiver.taken) == 1


async def test_a_receiver_that_asks_to_be_left_alone_is(
    desk: Desk,
    webhooks: Webhooks,
    delivery: Delivery,
    sender: Sender,
    register: Register,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`Retry-After` beside 503 is about the receiver, so nobody knocks for each of the others that wait.

    Not even when the lane was looking for more just when the answers came, and MongoDB was slow.
    """
    honest = delivery.ready

    async def slow(webhook_id: str) -> Webhook | None:
        found = await honest(webhook_id)
        await asyncio.sleep(0.1)
        return found

    def behave(_: Message) -> Behaviour:
        delivery.lanes[webhook["id"]].set()
        return 503, {"retry-after": "600"}

    async with receiving() as receiver:
        webhook = await register(receiver)
        receiver.seen.clear()
        receiver.behave = behave
        monkeypatch.setattr(delivery, "ready", slow)
        for number in range(12):
            await sender.sent(f"Q-{number}")

        async def left_alone() -> bool:
            return (await webhooks.find({}, webhook["id"])).quiet_until is not None

        await happens(desk, webhooks)
        async with sending(delivery):
            await until(left_alone)
            clock.advance(seconds=595)
            await sender.sent("Q-late")
            await happens(desk, webhooks)  # wakes the lane
            await asyncio.sleep(0.3)
            assert 1 <= len(receiver.seen) <= 4, "what was in hand already"
            receiver.behave = lambda _: 204
            await post(sender, f"{WEBHOOKS}/{webhook['id']}/replay", {"since": "2026-01-01T00:00:00Z"}, 202)
            await receiver.until(lambda: len(receiver.taken) == 13)  # its owner asks for it now


async def test_a_dead_receiver_costs_the_others_nothing(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register
) -> None:
    async with AsyncExitStack() as stack:
        well, *bad = [await stack.enter_async_context(receiving()) for _ in range(4)]
        for receiver in (well, *bad):
            await register(receiver)
        for receiver, wanted in zip(bad, ("hang", "reset", 500), strict=True):
            receiver.behave = lambda _, wanted=wanted: wanted  # type: ignore[misc]
        for number in range(20):  # more than all lanes of the dead one hold at once
            await sender.sent(f"L-{number}")
        async with sending(delivery):
            begun = time.monotonic()
            await happens(desk, webhooks)
            await well.until(lambda: len(well.taken) == 20)
            took = time.monotonic() - begun
            assert took < 20 * 0.05 + AT_ONCE_S, took
            await sender.sent("L-late")
            begun = time.monotonic()
            await happens(desk, webhooks)
            await well.until(lambda: len(well.taken) == 21)
            assert time.monotonic() - begun < AT_ONCE_S
            assert len(bad[0].seen) - 1 <= 8  # what hangs holds its own few places and no more
    assert all(not receiver.taken for receiver in bad)


async def test_order_within_a_referral_while_others_go_on(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register, clock: Clock
) -> None:
    async with receiving() as receiver:
        webhook = await register(receiver)
        stuck = (await sender.sent("O-stuck"))["id"]
        await story(desk, stuck, "ask", "answer")
        free = (await sender.sent("O-free"))["id"]
        await story(desk, free, "ask", "answer")
        receiver.behave = lambda message: 500 if stuck in message.body.decode() else 204
        await happens(desk, webhooks)
        await all_due(delivery, webhook["id"])
        assert [message.told["data"]["version"] for message in receiver.taken] == [1, 2, 3]
        assert [message.told["data"]["version"] for message in receiver.seen if stuck in message.body.decode()] == [1]
        await story(desk, stuck, "accept")
        await happens(desk, webhooks)
        assert await all_due(delivery, webhook["id"]) == 0  # a later event waits although it was never tried
        receiver.behave = lambda _: 204
        clock.advance(seconds=10)
        await all_due(delivery, webhook["id"])
    assert in_order(receiver.taken)
    assert len(receiver.taken) == 7
