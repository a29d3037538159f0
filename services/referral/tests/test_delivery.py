"""Events on their way to a sender's webhook: at least once, in order per referral, verifiable, whatever happens."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from fastapi import FastAPI
from pymongo.asynchronous.client_session import AsyncClientSession
from tests.receiver import receiving

from polku_events import Event
from polku_referral.desk import Desk
from polku_referral.feed.consumer import feed_senders
from polku_referral.model.webhook import SCHEDULE_S
from polku_referral.webhooks.delivery import Delivery
from polku_referral.webhooks.endpoints import Webhooks
from polku_runtime.mongo import Document
from polku_runtime.testing import Clock

from .conftest import Sender
from .feeding import carry, outbox, story
from .material import TOWN, leaks
from .sending import (
    WEBHOOKS,
    Register,
    all_due,
    attempts_of,
    clock,
    delivery,
    delivery_of,
    happens,
    in_order,
    nothing_waits,
    post,
    referral_settings,
    register,
    same_time,
    sending,
    webhooks,
)

__all__ = ["clock", "delivery", "referral_settings", "register", "same_time", "webhooks"]  # fixtures
AT_ONCE_S = 5.0
"""A bound for what should take tens of milliseconds on a machine that is busy."""


# -- the straight way -------------------------------------------------------------------------------------


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


# -- what receivers do ------------------------------------------------------------------------------------


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
        await _later(delivery, webhook["id"], clock)
        for referral_id in ids:
            await story(desk, referral_id, step)
    await happens(desk, webhooks)
    while clock.now.timestamp() < until:
        await all_due(delivery, webhook["id"])
        await _later(delivery, webhook["id"], clock)
    async with receiving(port=port, secret=secret) as receiver:
        while len(receiver.taken) < 12:
            await _later(delivery, webhook["id"], clock)
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


async def _later(delivery: Delivery, webhook_id: str, clock: Clock) -> None:
    """The clock moves to when the next is due."""
    due = await delivery.deliveries.next_due(webhook_id)
    assert due is not None
    clock.now = max(clock.now, due)


async def test_after_the_whole_schedule_it_is_disabled_and_goes_on_where_it_stopped(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register, clock: Clock
) -> None:
    async with receiving() as receiver, receiving() as other:
        webhook, well = await register(receiver), await register(other)
        begun = clock.now
        receiver.behave = lambda _: 500
        first = await sender.sent("S-1")
        await happens(desk, webhooks)
        while await delivery.ready(webhook["id"]):
            await all_due(delivery, webhook["id"])
            if await delivery.ready(webhook["id"]):
                await _later(delivery, webhook["id"], clock)
        assert 2.5 < (clock.now - begun).total_seconds() / 86_400 <= 3
        await sender.sign_on()
        rows = await attempts_of(sender, webhook["id"])
        assert [row["status"] for row in rows] == [200, *[500] * len(SCHEDULE_S)]
        shown = (await sender.get(f"{WEBHOOKS}/{webhook['id']}")).json()
        assert (shown["state"], shown["cause"]) == ("disabled", "failed")
        notice = (await sender.get("/events")).json()["items"][-1]
        assert (notice["type"], notice["data"]) == (
            "webhook.disabled",
            {"webhook_id": webhook["id"], "cause": "failed"},
        )
        await all_due(delivery, well["id"])
        assert [message.told["type"] for message in other.taken] == ["referral.received", "webhook.disabled"]

        await story(desk, first["id"], "accept")  # while it is disabled
        await sender.sent("S-2")
        await happens(desk, webhooks)
        assert await all_due(delivery, webhook["id"]) == 0
        receiver.behave = lambda _: 204
        assert (await post(sender, f"{WEBHOOKS}/{webhook['id']}/enable"))["state"] == "active"
        await all_due(delivery, webhook["id"])
        feed = (await sender.get("/events")).json()["items"]
        assert sorted(message.id for message in receiver.taken) == sorted(item["id"] for item in feed)
        assert in_order([message for message in receiver.taken if "version" in message.told["data"]])
        assert (await sender.get(f"{WEBHOOKS}/{webhook['id']}")).json()["sending_again"] is False


async def test_disabled_and_enabled_while_events_come_leaves_no_hole(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register
) -> None:
    async with receiving() as receiver:
        webhook = await register(receiver)
        for number in range(30):
            await sender.sent(f"H-{number}")
        events, apply = await outbox(desk), feed_senders(webhooks.feed, webhooks.fan_out)

        async def turn_off_and_on() -> int:
            times = 0
            while not writing.done():
                await webhooks.disable(await webhooks.find({}, webhook["id"]), "failed")
                await asyncio.sleep(0)
                await webhooks.enable(await webhooks.find({}, webhook["id"]))
                times += 1
            return times

        async def write(part: list[Event]) -> None:
            for event in part:
                await carry(apply, [event])

        writing = asyncio.gather(write(events[::2]), write(events[1::2]))
        assert await turn_off_and_on() >= 5
        await writing
        await all_due(delivery, webhook["id"])
        feed = await webhooks.feed.page(TOWN, 0, 1000)
        assert {message.id for message in receiver.taken} == {row["_id"] for row in feed}
        assert {event.id for event in events} <= {row["_id"] for row in feed}


async def test_enabling_waits_for_who_is_just_adding_to_the_feed(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register
) -> None:
    """Whoever adds has seen a disabled webhook and makes no delivery; so what it adds must be filled in."""
    added, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(session: AsyncClientSession, rows: Sequence[Document]) -> None:
        await webhooks.fan_out(session, rows)
        added.set()
        await go_on.wait()

    async with receiving() as receiver:
        webhook = await register(receiver)
        await webhooks.disable(await webhooks.find({}, webhook["id"]), "failed")
        await sender.sent()
        adding = asyncio.create_task(carry(feed_senders(webhooks.feed, slowly), await outbox(desk)))
        await added.wait()
        enabling = asyncio.create_task(webhooks.enable(await webhooks.find({}, webhook["id"])))
        await asyncio.wait([enabling], timeout=0.3)
        go_on.set()
        await asyncio.gather(adding, enabling)
        await all_due(delivery, webhook["id"])
    assert [message.told["type"] for message in receiver.taken] == ["webhook.disabled", "referral.received"]


async def test_gone_disables_at_once(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register
) -> None:
    async with receiving() as receiver:
        webhook = await register(receiver)
        receiver.behave = lambda _: 410
        await sender.sent()
        await happens(desk, webhooks)
        assert await all_due(delivery, webhook["id"]) == 1
    shown = (await sender.get(f"{WEBHOOKS}/{webhook['id']}")).json()
    assert (shown["state"], shown["cause"]) == ("disabled", "gone")


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


async def test_an_organisation_that_may_not_come_in_is_not_told(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register
) -> None:
    organisations = desk.repository.database["organisations"]
    async with receiving() as receiver:
        webhook = await register(receiver)
        await sender.sent()
        await happens(desk, webhooks)
        await organisations.update_one({"_id": TOWN}, {"$set": {"active": False}})
        assert await all_due(delivery, webhook["id"]) == 0
        await organisations.update_one({"_id": TOWN}, {"$set": {"active": True}})
        assert await all_due(delivery, webhook["id"]) == 1


# -- lanes ------------------------------------------------------------------------------------------------


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


async def test_two_workers_send_each_once_and_one_that_dies_is_followed(
    app: FastAPI, desk: Desk, webhooks: Webhooks, sender: Sender, register: Register, clock: Clock
) -> None:
    first, second = delivery_of(app), delivery_of(app)
    async with receiving() as receiver:
        await register(receiver)
        async with sending(second):
            async with sending(first):
                for number in range(10):
                    await sender.sent(f"W-{number}")
                await happens(desk, webhooks)
                await receiver.until(lambda: len(receiver.taken) == 10)
                assert len({message.id for message in receiver.taken}) == 10
            clock.advance(seconds=6)  # the lease of whoever held it is over
            await sender.sent("W-after")
            await happens(desk, webhooks)
            await receiver.until(lambda: len(receiver.taken) == 11)


async def test_what_was_in_hand_when_a_worker_died_is_sent_again(
    app: FastAPI, desk: Desk, webhooks: Webhooks, sender: Sender, register: Register
) -> None:
    async with receiving() as receiver:
        await register(receiver)
        for number in range(12):
            await sender.sent(f"K-{number}")
        receiver.behave = lambda message: "hang" if int(message.told["data"]["external_id"][2:]) % 3 else 204
        await happens(desk, webhooks)
        async with sending(delivery_of(app)):
            await receiver.until(lambda: len(receiver.seen) >= 5)
        receiver.behave = lambda _: 204
        async with sending(delivery_of(app)):
            await receiver.until(lambda: len({message.id for message in receiver.taken}) == 12)


async def test_replays(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register, clock: Clock
) -> None:
    async with receiving() as receiver:
        webhook = await register(receiver)
        address = f"{WEBHOOKS}/{webhook['id']}"
        told = await sender.sent("R-1")
        await happens(desk, webhooks)
        cursor = (await sender.get("/events?after=now")).json()["next"]
        clock.advance(minutes=1)
        since = clock.now.isoformat()
        await story(desk, told["id"], "ask", "answer")
        await happens(desk, webhooks)
        await all_due(delivery, webhook["id"])
        ids = [message.id for message in receiver.taken]
        assert len(ids) == 3

        for wish in ({"after": cursor}, {"since": since}):
            receiver.seen.clear()
            assert await post(sender, f"{address}/replay", wish, 202) == {"places": 2}
            await all_due(delivery, webhook["id"])
            assert [message.id for message in receiver.taken] == ids[1:]
        receiver.seen.clear()
        await post(sender, f"{address}/deliveries/{ids[0]}/replay", None, 202)
        await all_due(delivery, webhook["id"])
        assert [message.id for message in receiver.taken] == ids[:1]
        await post(sender, f"{address}/deliveries/{TOWN}/replay", None, 404)
        await post(sender, f"{address}/replay", {}, 422)


async def test_a_worker_is_woken_by_a_replay(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register
) -> None:
    async with receiving() as receiver:
        webhook = await register(receiver)
        await sender.sent()
        await happens(desk, webhooks)
        async with sending(delivery):
            await receiver.until(lambda: len(receiver.taken) == 1)
            await asyncio.sleep(0.2)  # its lane has ended
            for address in (f"deliveries/{receiver.taken[0].id}/replay", "replay"):
                seen, begun = len(receiver.taken), time.monotonic()
                wish = {"since": "2026-01-01T00:00:00Z"} if address == "replay" else None
                await post(sender, f"{WEBHOOKS}/{webhook['id']}/{address}", wish, 202)
                await receiver.until(lambda seen=seen: len(receiver.taken) > seen)  # type: ignore[misc]
                assert time.monotonic() - begun < AT_ONCE_S
