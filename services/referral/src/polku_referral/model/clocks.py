"""What time alone does to a referral that nobody answers."""

from datetime import date, datetime
from typing import Literal

from polku_events.referral import ReferralExpired, ReferralReminded
from polku_events.refusals import Refused
from polku_referral.model.referral import WAITING, Decided, Referral, about, step

DUE_SOON, OVERDUE = 1, 2
LEVELS: dict[int, Literal["due-soon", "overdue"]] = {DUE_SOON: "due-soon", OVERDUE: "overdue"}


def remind(referral: Referral, *, level: int, at: datetime) -> Decided:
    """Says that the day to answer comes near, or has passed. Raises Refused when that was said, or it was answered."""
    if referral.state not in WAITING or referral.reminded >= level:
        raise Refused("wrong-state")
    after = step(referral, f"reminded-{LEVELS[level]}", at, None, "polku", reminded=level)
    return after, [ReferralReminded(**about(referral), level=LEVELS[level], answer_due=referral.answer_due)]


def expire(referral: Referral, *, on: date, at: datetime) -> Decided:
    """Nobody has answered for too long. Raises Refused when it was answered."""
    if referral.state not in WAITING:
        raise Refused("wrong-state")
    waited_for = "sender" if referral.state == "question" else "project"
    after = step(referral, "expired", at, None, "polku", state="expired")
    return after, [ReferralExpired(**about(referral), waited_for=waited_for, expired_on=on)]
