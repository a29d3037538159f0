"""Who sends to webhooks: one worker at a time, followed by the next, woken by what is asked for again."""

import asyncio
import time

from fastapi import FastAPI
from tests.receiver import receiving

from polku_referral.desk import Desk
from polku_referral.webhooks.delivery import Delivery
from polku_referral.webhooks.endpoints import Webhooks
from polku_runtime.testing import Clock

from ..conftest import Sender
from ..feeding import story
from ..material import TOWN
from .sending import (
    AT_ONCE_S,
    WEBHOOKS,
    Register,
    all_due,
    delivery_of,
    happens,
    post,
    sending,
)


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
        for wrong in ({}, {"since": "0001-01-01T00:00:00+14:00"}, {"since": "9999-12-31T23:59:59-14:00"}):
            await post(sender, f"{address}/replay", wrong, 422)


async def test_asked_for_again_while_it_is_being_sent(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register, clock: Clock
) -> None:
    """The receiver may have lost just the one that is on its way, so that does not count as the answer."""
    async with receiving() as receiver:
        webhook = await register(receiver)
        await sender.sent()
        await happens(desk, webhooks)
        known = await delivery.ready(webhook["id"])
        assert known is not None
        (row,) = await delivery.deliveries.due(known.id, [], 1)
        clock.advance(seconds=1)
        await post(sender, f"{WEBHOOKS}/{webhook['id']}/deliveries/{row['item_id']}/replay", None, 202)
        await delivery.send(known, row)
        assert await all_due(delivery, known.id) == 1
        assert [message.id for message in receiver.taken] == [row["item_id"]] * 2


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
