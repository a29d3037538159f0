"""What its sender may do with a referral afterwards."""

from datetime import date, datetime

from polku_events.referral import (
    ReferralAnswered,
    ReferralContactCorrected,
    ReferralWithdrawalRequested,
    ReferralWithdrawn,
)
from polku_referral.model.referral import SENDER_COMMANDS, Decided, Referral, about, check, step


def withdraw(referral: Referral, *, reason: str, on: date, at: datetime, by: str) -> Decided:
    """The sender takes the referral back before it was answered. Raises Refused afterwards."""
    check(referral, "withdraw", SENDER_COMMANDS)
    after = step(referral, "withdrawn", at, by, "sender", state="withdrawn", reason=reason)
    return after, [ReferralWithdrawn(**about(referral), reason=reason, withdrawn_on=on)]


def request_withdrawal(referral: Referral, *, reason: str, on: date, at: datetime, by: str) -> Decided:
    """The sender wants an accepted referral back; the project confirms it, or the work is done already."""
    check(referral, "request-withdrawal", SENDER_COMMANDS)
    changes = {"state": "withdrawal-requested", "reason": reason}
    after = step(referral, "withdrawal-requested", at, by, "sender", **changes)
    return after, [ReferralWithdrawalRequested(**about(referral), reason=reason, requested_on=on)]


def answer(referral: Referral, *, answer_due: date, expires_on: date, on: date, at: datetime, by: str) -> Decided:
    """The sender answers the question; the answer itself is sealed. The project's time goes on.

    answer_due, expires_on: of `Terms.after_answer`.
    """
    check(referral, "answer", SENDER_COMMANDS)
    changes = {"state": "received", "sender_due": None, "answer_due": answer_due, "expires_on": expires_on}
    after = step(referral, "answered", at, by, "sender", stands_since=None, reminded=0, **changes)
    return after, [ReferralAnswered(**about(referral), answered_on=on, answer_due=answer_due)]


def correct_contact(referral: Referral, *, own_municipality: bool | None = None, at: datetime, by: str) -> Decided:
    """The sender corrects how the person is reached; the data are sealed beside the document.

    own_municipality: whether the new municipality is in words of the sender's own; None: it stays what it was.
    """
    check(referral, "correct-contact", SENDER_COMMANDS)
    own = referral.own_municipality if own_municipality is None else own_municipality
    after = step(referral, "contact-corrected", at, by, "sender", own_municipality=own)
    return after, [ReferralContactCorrected(**about(referral))]
