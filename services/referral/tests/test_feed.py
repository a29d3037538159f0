"""The sender's feed: every event once, in an order without gaps, to its own sender alone; by page and by waiting."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI

from polku_events import EVENT_TYPES
from polku_referral.desk import Desk
from polku_referral.feed.consumer import TYPES, feed_senders
from polku_referral.feed.store import FeedStore
from polku_referral.model.telling import Item, channel_of
from polku_runtime.mongo import Document
from polku_runtime.testing import Clock
from polku_web.live import LiveHub
from polku_web.paging import encode

from .conftest import Sender, SignIn
from .feeding import carry, feed_all, outbox, story
from .material import API, COORDINATOR, COUNTY, REFERRER, TOWN, leaks

WAKE_S = 1.0


@pytest.fixture
async def store(desk: Desk) -> FeedStore:
    made = FeedStore(desk.repository.database, desk.effects)
    await made.create_indexes()
    return made


async def page(sender: Sender, query: str = "") -> dict[str, Any]:
    answer = await sender.get(f"/events{query}")
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    assert answer.headers["link"].endswith('rel="next"')
    return told


def note(number: int, channel: str = TOWN) -> Item:
    return Item(f"note-{channel}-{number}", channel, "referral.received", Clock().now, None, None, None, None, {})


def test_every_event_about_a_referral_is_told() -> None:
    """A new type of event must not be forgotten here."""
    assert {name for name in EVENT_TYPES if name.startswith("polku.referral.")} == TYPES


async def test_what_the_sender_hears(desk: Desk, store: FeedStore, sender: Sender) -> None:
    told = await sender.sent()
    await story(desk, told["id"], "correct-contact", "ask", "answer", "accept", "request-withdrawal", "conclude")
    assert await feed_all(desk) == ["applied"] * 7
    shown = await page(sender)
    items = shown["items"]
    assert [(item["type"], item["data"]["state"], item["data"]["version"]) for item in items] == [
        ("referral.received", "received", 1),
        ("referral.contact-corrected", "received", 2),
        ("referral.question", "question", 3),
        ("referral.answered", "received", 4),
        ("referral.accepted", "accepted", 5),
        ("referral.withdrawal-requested", "withdrawal-requested", 6),
        ("referral.concluded", "concluded", 7),
    ]
    assert {item["data"]["external_id"] for item in items} == {"TE-2026-000123"}
    assert items[4]["data"]["starts_on"] == "2026-03-02"
    assert items[6]["data"]["outcome"] == "education"
    assert (await sender.http.get(items[0]["data"]["href"], headers=sender.headers)).json()["id"] == told["id"]
    assert [item["id"] for item in items] == [event.id for event in await outbox(desk)]
    assert (shown["more"], leaks(str(shown))) == (False, [])
    assert desk.repository.database["persons"].name not in str(shown)


async def test_repeats_change_nothing(desk: Desk, store: FeedStore, sender: Sender, clock: Clock) -> None:
    await sender.sent("A-1")
    await sender.sent("A-2")
    apply, events = feed_senders(store), await outbox(desk)
    assert await carry(apply, [*events, events[0]]) == ["applied", "applied", "duplicate"]
    before = await page(sender)
    assert await carry(apply, events) == ["duplicate", "duplicate"]
    assert await page(sender) == before
    clock.advance(days=401)  # a topic filled anew from the journal tells nobody what is older than is kept
    assert await carry(apply, events) == ["skipped", "skipped"]


async def test_a_batch_for_both_senders_and_for_trials(
    desk: Desk, store: FeedStore, sender: Sender, enrol: Callable[..., Any]
) -> None:
    county = await enrol(COUNTY)
    for number in range(3):
        await sender.sent(f"T-{number}")
        await county.sent(f"C-{number}")
    await desk.repository.database["referrals"].update_one({"external_id": "T-2"}, {"$set": {"test": True}})
    assert await feed_all(desk) == ["applied"] * 6
    ours, theirs = await page(sender), await page(county)
    assert [item["data"]["external_id"] for item in ours["items"]] == ["T-0", "T-1"]
    assert [item["data"]["external_id"] for item in theirs["items"]] == ["C-0", "C-1", "C-2"]
    assert [row["external_id"] for row in await store.page(channel_of(TOWN, test=True), 0, 9)] == ["T-2"]


async def test_a_referral_that_is_not_there(desk: Desk, store: FeedStore, sender: Sender) -> None:
    await sender.sent()
    events = await outbox(desk)
    await desk.repository.database["referrals"].delete_many({})
    assert await carry(feed_senders(store), events) == ["unknown-referral"]


async def test_paging_by_cursor(desk: Desk, store: FeedStore, sender: Sender) -> None:
    await store.append([note(number) for number in range(7)])
    seen, cursor = [], ""
    for count in (3, 3, 1, 0, 0):
        shown = await page(sender, f"?limit=3{cursor}")
        assert len(shown["items"]) == count
        assert shown["more"] == (count == 3)
        seen += [item["id"] for item in shown["items"]]
        cursor = f"&after={shown['next']}"
    assert seen == [f"note-{TOWN}-{number}" for number in range(7)]
    now = await page(sender, "?after=now")
    assert (now["items"], f"&after={now['next']}") == ([], cursor)
    await store.append([note(7)])
    assert [item["id"] for item in (await page(sender, f"?after={now['next']}"))["items"]] == [f"note-{TOWN}-7"]


async def test_a_place_that_is_too_old(store: FeedStore, sender: Sender) -> None:
    await store.append([note(number) for number in range(5)])
    first = (await page(sender, "?limit=1"))["next"]
    await store.rows.delete_many({"seq": {"$lte": 3}})
    answer = await sender.get(f"/events?after={first}")
    assert (answer.status_code, answer.json()["code"]) == (410, "cursor-expired")
    assert len((await page(sender))["items"]) == 2


async def test_a_place_that_the_feed_has_not_come_to(store: FeedStore, sender: Sender) -> None:
    """After a restore: silence would last until the feed has grown as long again, and all until then be missed."""
    await store.append([note(number) for number in range(3)])
    kept = (await page(sender))["next"]
    await store.rows.delete_many({"seq": {"$gt": 1}})
    await store.counters.update_one({"_id": TOWN}, {"$set": {"seq": 1}})
    answer = await sender.get(f"/events?after={kept}&wait=1")
    assert (answer.status_code, answer.json()["code"]) == (410, "cursor-expired")


async def test_a_cursor_of_another_feed(store: FeedStore, sender: Sender, enrol: Callable[..., Any]) -> None:
    """That of the trial, or of another organisation that the same system serves, would skip what was not read."""
    trials = channel_of(TOWN, test=True)
    await store.append([note(number, channel) for channel in (TOWN, COUNTY, trials) for number in range(3)])
    for other in (await enrol(COUNTY), await enrol(TOWN, test=True)):
        strange = (await page(other, "?limit=1"))["next"]
        assert (await sender.get(f"/events?after={strange}")).status_code == 422
        assert len((await page(other, f"?after={strange}"))["items"]) == 2
    assert len((await page(sender, f"?after={encode((1,))}"))["items"]) == 2, "given out before cursors said whose"


@pytest.mark.parametrize(
    "query", ["?after=x", "?after=WyJhIl0", "?after=WzEsMl0", "?after=Wy0xXQ", "?limit=0", "?limit=201", "?wait=26"]
)
async def test_what_is_not_a_place(sender: Sender, query: str) -> None:
    assert (await sender.get(f"/events{query}")).status_code == 422


async def test_who_may_read(
    desk: Desk, store: FeedStore, sender: Sender, enrol: Callable[..., Any], sign_in: SignIn
) -> None:
    await sender.sent()
    await feed_all(desk)
    county, writer = await enrol(COUNTY), await enrol(TOWN, scopes=("referrals:write",))
    assert (await page(county))["items"] == []
    assert (await writer.get("/events")).status_code == 403
    assert (await (await sign_in(None)).http.get("/referral/api/v1/events")).status_code == 401
    assert (await (await sign_in(COORDINATOR)).http.get("/referral/api/v1/events")).status_code == 403
    answer = await (await sign_in(REFERRER)).http.get("/referral/api/v1/events")
    assert len(answer.json()["items"]) == 1


async def test_writers_at_the_same_moment_leave_no_gap_behind_a_reader(
    store: FeedStore, desk: Desk, sender: Sender
) -> None:
    """A reader that only ever asks for what comes after the newest it has seen gets everything, in order."""
    writers, batches, size = 4, 12, 5
    done = asyncio.Event()

    async def write(writer: int) -> None:
        own = FeedStore(desk.repository.database, desk.effects)
        for batch in range(batches):
            await own.append([note(writer * 1000 + batch * size + number) for number in range(size)])

    async def read() -> list[Document]:
        seen: list[Document] = []
        while True:
            ended = done.is_set()
            rows = await store.page(TOWN, seen[-1]["seq"] if seen else 0, 7)
            seen += rows
            if ended and not rows:
                return seen

    reading = [asyncio.create_task(read()) for _ in range(2)]
    await asyncio.gather(*(write(writer) for writer in range(writers)))
    done.set()
    for seen in await asyncio.gather(*reading):
        assert [row["seq"] for row in seen] == list(range(1, writers * batches * size + 1))
        for writer in range(writers):
            own = [row["_id"] for row in seen if int(row["_id"].rpartition("-")[2]) // 1000 == writer]
            assert own == [note(writer * 1000 + number).id for number in range(batches * size)]


async def test_waiting_ends_with_the_news(store: FeedStore, sender: Sender, app: FastAPI) -> None:
    await _listening(app)
    start = (await page(sender, "?after=now"))["next"]
    took = []
    for number in range(5):
        waiting = asyncio.create_task(page(sender, f"?after={start}&wait=20"))
        await _until(lambda: bool(app.state.feed.waiting))
        await asyncio.sleep(0.05 if number else 1.6)  # the first waits longer than a request may wait for MongoDB
        await store.append([note(number)])
        begun = time.perf_counter()
        shown = await waiting
        took.append(time.perf_counter() - begun)
        assert [item["id"] for item in shown["items"]] == [f"note-{TOWN}-{number}"]
        start = shown["next"]
    assert sorted(took)[2] < WAKE_S, took


async def test_waiting_for_nothing(store: FeedStore, sender: Sender, app: FastAPI) -> None:
    await _listening(app)
    begun = time.perf_counter()
    waiting = asyncio.create_task(page(sender, "?wait=1"))
    await _until(lambda: bool(app.state.feed.waiting))
    await store.append([note(1, COUNTY)])  # somebody else's news end nobody's waiting
    shown = await waiting
    assert (shown["items"], 0.9 < time.perf_counter() - begun < 10) == ([], True)
    assert (await page(sender, f"?after={shown['next']}"))["next"] == shown["next"]


async def test_a_caller_waits_only_so_often_and_stopping_ends_it(sender: Sender, app: FastAPI) -> None:
    waiting = [asyncio.create_task(sender.get("/events?wait=25")) for _ in range(4)]
    await _until(lambda: sum(app.state.feed.waiting.values()) == 4)
    refused = await sender.get("/events?wait=25")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert (await sender.get("/events")).status_code == 200, "who does not wait is nobody's burden"
    headless = await sender.http.head(f"{API}/events?wait=25", headers=sender.headers)
    assert headless.status_code == 200, "nor does HEAD, which shows no news"
    begun = time.perf_counter()
    app.state.live.end()
    assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200] * 4
    assert time.perf_counter() - begun < 10
    assert not app.state.feed.waiting


async def _listening(app: FastAPI) -> None:
    hub: LiveHub = app.state.live
    await _until(lambda: hub.position > 0)


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)
