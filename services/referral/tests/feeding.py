"""Carries events from the outboxes of referrals to the feed, as relay, Kafka and worker would."""

from collections.abc import Sequence
from datetime import datetime

from polku_events import Event
from polku_referral.desk import Desk
from polku_referral.feed.consumer import feed_senders
from polku_referral.feed.store import FeedStore
from polku_referral.model import answers, sending
from polku_referral.model.referral import Decided, Referral, conclude
from polku_runtime.journal import restored
from polku_runtime.outcomes import Apply, Dead, Received

from .material import COORDINATOR, TODAY


async def outbox(desk: Desk) -> list[Event]:
    """All events about referrals that were ever said, in the order of documents and versions."""
    rows = desk.repository.database["referrals"].find({}).sort("_id")
    return [restored(entry) async for row in rows for entry in row["outbox"]]


async def carry(apply: Apply, events: Sequence[Event]) -> list[str]:
    """What became of each, as one batch."""
    results = await apply([Received("referral.events", 0, place, event) for place, event in enumerate(events)])
    return [result.reason if isinstance(result, Dead) else result.value for result in results]


async def feed_all(desk: Desk) -> list[str]:
    """Brings the feed up to date."""
    return await carry(feed_senders(FeedStore(desk.repository.database, desk.effects)), await outbox(desk))


async def story(desk: Desk, referral_id: str, *names: str) -> Referral:
    """Does to a referral what the names say, by the rules alone."""
    for name in names:
        kept = await desk.repository.get(referral_id, {})
        assert kept is not None
        after, events = _done(name, kept.referral, desk.effects.now())
        await desk.repository.save(kept.referral, after, events, {})
    found = await desk.repository.get(referral_id, {})
    assert found is not None
    return found.referral


def _done(name: str, referral: Referral, at: datetime) -> Decided:
    by = {"at": at, "by": COORDINATOR}
    match name:
        case "ask":
            return answers.ask(referral, on=TODAY, sender_due=TODAY, expires_on=TODAY, **by)
        case "answer":
            return sending.answer(referral, answer_due=TODAY, expires_on=TODAY, on=TODAY, **by)
        case "accept":
            return answers.accept(referral, coordinator_id=COORDINATOR, on=TODAY, starts_on=TODAY, **by)
        case "decline":
            return answers.decline(referral, reason="no-room", on=TODAY, **by)
        case "waitlist":
            return answers.waitlist(referral, review_on=TODAY, expires_on=TODAY, **by)
        case "withdraw":
            return sending.withdraw(referral, reason="moved", on=TODAY, **by)
        case "request-withdrawal":
            return sending.request_withdrawal(referral, reason="moved", on=TODAY, **by)
        case "correct-contact":
            return sending.correct_contact(referral, **by)
        case _:
            return conclude(referral, outcome="education", on=TODAY, at=at)
