"""What the project may say to a referral."""

from collections.abc import Mapping
from datetime import date, datetime

from polku_events.referral import (
    ReferralAccepted,
    ReferralCodesMapped,
    ReferralDeclined,
    ReferralForwarded,
    ReferralQuestionAsked,
    ReferralWaitlisted,
    ReferralWithdrawn,
)
from polku_events.refusals import Refused
from polku_referral.model.referral import COMMANDS, Decided, Referral, about, check, commands_of, own_codes, step


def accept(
    referral: Referral, *, coordinator_id: str, on: date, starts_on: date | None = None, at: datetime, by: str
) -> Decided:
    """The project takes the person in. Raises Refused: answered before, or codes of the sender are not known yet."""
    check(referral, "accept", COMMANDS)
    if referral.unmapped:
        raise Refused("unknown-codes")
    changes = {"state": "accepted", "accepted_on": on, "starts_on": starts_on, "coordinator_id": coordinator_id}
    after = step(referral, "accepted", at, by, "project", **changes)
    event = ReferralAccepted(
        **about(referral),
        case_code=referral.case_code,
        route=referral.route,
        service=referral.service,
        organisation_id=referral.organisation_id,
        referred_on=referral.referred_on,
        accepted_on=on,
        coordinator_id=coordinator_id,
        starts_on=starts_on,
    )
    return after, [event]


def decline(referral: Referral, *, reason: str, on: date, at: datetime, by: str) -> Decided:
    """The project does not take the person in. Raises Refused when the referral was answered before."""
    check(referral, "decline", COMMANDS)
    after = step(referral, "declined", at, by, "project", state="declined", reason=reason)
    return after, [ReferralDeclined(**about(referral), reason=reason, declined_on=on)]


def ask(referral: Referral, *, on: date, sender_due: date, expires_on: date, at: datetime, by: str) -> Decided:
    """The project needs to know more first; the question itself is sealed. Its own time stands meanwhile.

    sender_due, expires_on: of `Terms.for_question`.
    """
    check(referral, "ask", COMMANDS)
    changes = {"state": "question", "sender_due": sender_due, "expires_on": expires_on, "reminded": 0}
    after = step(referral, "question-asked", at, by, "project", stands_since=referral.stands_since or on, **changes)
    return after, [ReferralQuestionAsked(**about(referral), asked_on=on, sender_due=sender_due)]


def waitlist(referral: Referral, *, review_on: date, expires_on: date, at: datetime, by: str) -> Decided:
    """There is no room now. review_on: the day on which the project looks again; it is the new day to answer by.

    expires_on: of `Terms.expires_on` for that day.
    """
    check(referral, "waitlist", COMMANDS)
    changes = {"state": "waitlisted", "review_on": review_on, "answer_due": review_on, "expires_on": expires_on}
    after = step(referral, "waitlisted", at, by, "project", sender_due=None, stands_since=None, reminded=0, **changes)
    return after, [ReferralWaitlisted(**about(referral), review_on=review_on)]


def forward(referral: Referral, *, partner: str, on: date, at: datetime, by: str) -> Decided:
    """The project gives the referral on. partner: code of an organisation. It ends here; the sender hears where to."""
    check(referral, "forward", COMMANDS)
    after = step(referral, "forwarded", at, by, "project", state="forwarded", forwarded_to=partner)
    return after, [ReferralForwarded(**about(referral), partner=partner, forwarded_on=on)]


def confirm_withdrawal(referral: Referral, *, on: date, at: datetime, by: str) -> Decided:
    """The project gives an accepted referral back, as its sender has asked."""
    check(referral, "confirm-withdrawal", COMMANDS)
    after = step(referral, "withdrawn", at, by, "project", state="withdrawn")
    return after, [ReferralWithdrawn(**about(referral), reason=referral.reason or "other", withdrawn_on=on)]


def map_codes(referral: Referral, *, known: Mapping[str, str], at: datetime, by: str | None) -> Decided:
    """The sender's own codes are given known ones, or other ones than before. known: field → code, for `route` and
    `service`; nothing where only the municipality, which is sealed, was told in words of the sender's own.

    Raises Refused when some codes still would be unknown, for a field where the sender used one of Polku's, and when
    the referral is answered already.
    """
    own = own_codes(referral)
    if "map-codes" not in commands_of(referral) or not referral.unmapped.keys() <= known.keys() <= own.keys():
        raise Refused("wrong-state")
    after = step(referral, "codes-mapped", at, by, "project", mapped=own, unmapped={}, **known)
    return after, [ReferralCodesMapped(**about(referral), route=after.route, service=after.service)]
