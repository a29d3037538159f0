"""When a webhook is not called any more, and what comes when it is again: nothing is left out."""

import asyncio
from collections.abc import Sequence

from pymongo.asynchronous.client_session import AsyncClientSession
from tests.receiver import in_order, receiving

from polku_events import Event
from polku_referral.desk import Desk
from polku_referral.feed.consumer import feed_senders
from polku_referral.model.webhook import SCHEDULE_S
from polku_referral.webhooks.delivery import Delivery
from polku_referral.webhooks.endpoints import Webhooks
from polku_runtime.mongo import Document
from polku_runtime.testing import Clock

from ..conftest import Sender
from ..feeding import carry, outbox, story
from ..material import TOWN
from .sending import (
    WEBHOOKS,
    Register,
    all_due,
    attempts_of,
    happens,
    later,
    post,
)


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
                await later(delivery, webhook["id"], clock)
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


async def test_removed_while_a_message_is_on_its_way(
    desk: Desk, webhooks: Webhooks, delivery: Delivery, sender: Sender, register: Register
) -> None:
    """Its secrets are gone at once, and nobody is sent anything unsigned."""
    async with receiving() as receiver:
        webhook = await register(receiver)
        receiver.seen.clear()
        await sender.sent()
        await happens(desk, webhooks)
        known = await delivery.ready(webhook["id"])
        assert known is not None
        (row,) = await delivery.deliveries.due(known.id, [], 1)
        await webhooks.remove(known)
        await delivery.send(known, row)
        assert receiver.seen == []
    assert await delivery.ready(known.id) is None
    assert await webhooks.deliveries.rows.count_documents({"state": "waiting"}) == 0
