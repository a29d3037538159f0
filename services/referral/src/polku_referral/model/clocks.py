"""What time alone does to a referral that nobody answers."""

from datetime import date, datetime
from typing import Literal

from polku_events.referral import ReferralExpired, ReferralReminded
from polku_events.refusals import Refused
from polku_referral.model.referral import WAITING, Decided, Referral, about, step
from polku_referral.model.terms import Terms

DUE_SOON, OVERDUE = 1, 2
LEVELS: dict[int, Literal["due-soon", "overdue"]] = {DUE_SOON: "due-soon", OVERDUE: "overdue"}


def waits_for(referral: Referral) -> Literal["project", "sender"]:
    """Who is to answer now: the sender while a question is open, else the project."""
    return "sender" if referral.state == "question" else "project"


def due_of(referral: Referral) -> date:
    """The day by which that one answers in time."""
    asked = referral.sender_due if referral.state == "question" else None
    return asked or referral.answer_due


def level_on(referral: Referral, terms: Terms, today: date) -> int:
    """How near its day is: 0, DUE_SOON, or OVERDUE from the day after; always 0 for what was answered."""
    if referral.state not in WAITING:
        return 0
    due = due_of(referral)
    return OVERDUE if due < today else DUE_SOON if due <= terms.due_soon_until(referral.route, today) else 0


def strike(referral: Referral, terms: Terms, *, today: date, at: datetime) -> Decided | None:
    """What a day does to a referral; None when its day has not come. today: in Helsinki.

    After a pause only what matters now is said: of what is overdue nobody hears that it will be soon.
    """
    if referral.state not in WAITING:
        return None
    if referral.expires_on is not None and referral.expires_on < today:
        return expire(referral, on=today, at=at)
    level = level_on(referral, terms, today)
    return remind(referral, level=level, at=at) if level > referral.reminded else None


def remind(referral: Referral, *, level: int, at: datetime) -> Decided:
    """Says that the day to answer comes near, or has passed. Raises Refused when that was said, or it was answered."""
    if referral.state not in WAITING or referral.reminded >= level:
        raise Refused("wrong-state")
    after = step(referral, f"reminded-{LEVELS[level]}", at, None, "polku", reminded=level)
    said = {"level": LEVELS[level], "waits_for": waits_for(referral), "answer_due": due_of(referral)}
    return after, [ReferralReminded(**about(referral), **said)]


def expire(referral: Referral, *, on: date, at: datetime) -> Decided:
    """Nobody has answered for too long. Raises Refused when it was answered."""
    if referral.state not in WAITING:
        raise Refused("wrong-state")
    after = step(referral, "expired", at, None, "polku", state="expired")
    return after, [ReferralExpired(**about(referral), waited_for=waits_for(referral), expired_on=on)]
