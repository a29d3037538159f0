"""The way back: in order, from the cursor that the caller kept, waiting for news."""

import threading
import time

from polku_client import Event

from ..serving import Serving, until
from .material import referral


def test_events_come_in_order_and_go_on_from_the_kept_cursor(polku: Serving) -> None:
    with polku.client() as sender:
        pushed = [sender.push(referral(number=number)) for number in range(5)]
        for one in pushed[:2]:
            sender.withdraw(one, "sent-in-error")
        told = until(lambda: found if len(found := list(sender.events(limit=3))) == 7 else [])
        for place, one in enumerate(pushed):  # in order for each referral; referrals among themselves have none
            story = [(event.type, event.version) for event in told if event.referral_id == one.id]
            assert story == [("referral.received", 1), ("referral.withdrawn", 2)][: 2 if place < 2 else 1]
        # Whatever was handled last, what comes after its cursor holds all that was not handled.
        for handled, event in enumerate(told, start=1):
            later = [one.id for one in sender.events(event.cursor)]
            assert later[-(7 - handled) :] == [one.id for one in told[handled:]] or handled == 7
        assert list(sender.events(told[-1].cursor)) == []


def test_following_waits_for_news(polku: Serving) -> None:
    with polku.client() as sender:
        sender.push(referral())
        until(lambda: list(sender.events()))
        heard: list[Event] = []
        feed = sender.events("now", follow=True, wait_s=25)
        listening = threading.Thread(target=lambda: heard.append(next(feed)), daemon=True)
        listening.start()
        until(lambda: polku.app.state.feed.waiting)  # the first page has come, which fixes where `now` is
        began, pushed = time.monotonic(), sender.push(referral(number=1))
        listening.join(15)
        assert time.monotonic() - began < 15
    assert [event.referral_id for event in heard] == [pushed.id]
