"""What the sender of a referral hears of it: every event as one item, in codes and days, with nothing of the person.

What somebody wrote (a question, the text of a refusal) is read from the referral itself, under its address.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from polku_events import Event, EventData
from polku_events import referral as events
from polku_referral.model.referral import State

PREFIX = "referral."
DISABLED = "webhook.disabled"
"""A notice: this webhook address is not called any more."""

RETURNS: Mapping[str, tuple[str, ...]] = {
    "outcome": ("outcome",),
    "start-day": ("accepted_on", "starts_on"),
    "reason": ("reason", "partner"),
}
"""What an agreement may let go back to a sender, and the fields that hold it. The state itself is always told."""


class Told(NamedTuple):
    """name: after `referral.`. fields: of the event that the sender hears."""

    name: str
    fields: tuple[str, ...] = ()


TOLD: Mapping[type[EventData], Told] = {
    events.ReferralReceived: Told("received", ("answer_due",)),
    events.ReferralCodesMapped: Told("codes-mapped", ("route", "service")),
    events.ReferralContactCorrected: Told("contact-corrected"),
    events.ReferralQuestionAsked: Told("question", ("sender_due",)),
    events.ReferralAnswered: Told("answered", ("answer_due",)),
    events.ReferralWaitlisted: Told("waitlisted", ("review_on",)),
    events.ReferralAccepted: Told("accepted", ("accepted_on", "starts_on")),
    events.ReferralDeclined: Told("declined", ("reason",)),
    events.ReferralForwarded: Told("forwarded", ("partner",)),
    events.ReferralWithdrawalRequested: Told("withdrawal-requested", ("reason",)),
    events.ReferralWithdrawn: Told("withdrawn", ("reason",)),
    events.ReferralReminded: Told("reminded", ("level", "waits_for", "answer_due")),
    events.ReferralExpired: Told("expired", ("waited_for",)),
    events.ReferralConcluded: Told("concluded", ("outcome", "concluded_on")),
}
TYPES: tuple[str, ...] = (*(PREFIX + told.name for told in TOLD.values()), DISABLED)
"""Every type of item that there can be in a sender's feed."""

_STATES: Mapping[str, State] = {
    "received": "received",
    "question-asked": "question",
    "answered": "received",
    "waitlisted": "waitlisted",
    "accepted": "accepted",
    "declined": "declined",
    "forwarded": "forwarded",
    "withdrawal-requested": "withdrawal-requested",
    "withdrawn": "withdrawn",
    "expired": "expired",
    "concluded": "concluded",
}
"""The state that a line of the history leads to; lines that are not here leave it as it was."""


class About(NamedTuple):
    """What the referral itself says to the feed. kinds: of its history, a line per version."""

    organisation_id: str
    external_id: str
    test: bool
    kinds: Sequence[str]


class Item(NamedTuple):
    """One item of a sender's feed. id: of the event, or of the notice. channel: see `channel_of`. version: of the
    referral after it. data: codes, days as ISO text.
    """

    id: str
    channel: str
    type: str
    at: datetime
    referral_id: str | None
    external_id: str | None
    state: str | None
    version: int | None
    data: Mapping[str, Any]


def channel_of(organisation_id: str, *, test: bool) -> str:
    """Whose feed it is. What was sent to try out an integration has a feed of its own."""
    return f"{organisation_id}:test" if test else organisation_id


def tell(event: Event, about: About, returns: frozenset[str]) -> Item:
    """The item of one event. returns: keys of RETURNS that the agreement with this sender allows."""
    told = TOLD[type(event.data)]
    held_back = {field for key, fields in RETURNS.items() if key not in returns for field in fields}
    said = event.data.model_dump(mode="json", include=set(told.fields) - held_back, exclude_none=True)
    return Item(
        id=event.id,
        channel=channel_of(about.organisation_id, test=about.test),
        type=PREFIX + told.name,
        at=event.time,
        referral_id=event.subject,
        external_id=about.external_id,
        state=state_at(about.kinds, event.version),
        version=event.version,
        data=said,
    )


def state_at(kinds: Sequence[str], version: int) -> State:
    """The state that a referral was in at a version, by its history, which has one line per version."""
    return next((_STATES[kind] for kind in reversed(kinds[:version]) if kind in _STATES), "received")
