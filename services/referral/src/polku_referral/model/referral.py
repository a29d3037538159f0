"""One referral: its state, and what may be done from each. Free texts and data of the person are not in it."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from polku_events import Aggregate, EventData
from polku_events.referral import ReferralConcluded, ReferralReceived
from polku_events.refusals import Refused

State = Literal[
    "received",
    "question",
    "waitlisted",
    "accepted",
    "withdrawal-requested",
    "declined",
    "forwarded",
    "withdrawn",
    "expired",
    "concluded",
]
WAITING: tuple[State, ...] = ("received", "question", "waitlisted")
"""Not answered for good yet."""

_OPEN = ("accept", "decline", "ask", "waitlist", "forward")
COMMANDS: Mapping[State, tuple[str, ...]] = {
    "received": _OPEN,
    "question": _OPEN,
    "waitlisted": ("accept", "decline"),
    "accepted": (),
    "withdrawal-requested": ("confirm-withdrawal",),
    "declined": (),
    "forwarded": (),
    "withdrawn": (),
    "expired": (),
    "concluded": (),
}
"""What the project's staff may do from a state. A state is left by one of these, by the sender or by time."""
SENDER_COMMANDS: Mapping[State, tuple[str, ...]] = {
    **dict.fromkeys(COMMANDS, ()),
    "received": ("withdraw", "correct-contact"),
    "question": ("answer", "withdraw", "correct-contact"),
    "waitlisted": ("withdraw", "correct-contact"),
    "accepted": ("request-withdrawal",),
}
"""What its sender may do from a state."""

Party = Literal["sender", "project", "polku"]
UNKNOWN = "unknown"
"""Stands for a code of the sender that nobody knows yet."""


class Step(BaseModel):
    """One line of the history. by: a staff member or client; None for what happened by itself."""

    model_config = ConfigDict(frozen=True)

    kind: str
    at: datetime
    by: str | None
    party: Party = "polku"


class Referral(Aggregate):
    """reason: coded, of a decline or a withdrawal; its text is sealed beside the document. outcome: of the
    pathway's end. answer_due: the day by which the project answers; sender_due: by which the sender answers a
    question; expires_on: the last day before it ends unanswered. stands_since: the day since which the project's
    time stands, because of a question. reminded: the highest level that was told of the present wait, 0–2.
    mapped, unmapped: field → the sender's own code, which stands for the value of that field, or for nothing known
    yet. own_municipality: the person's municipality was told in words of the sender's own; they are sealed.
    client_id: the machine that sent it. changed_at: when the last line of the history was written.
    """

    external_id: str
    organisation_id: str
    client_id: str | None = None
    person_id: str
    case_code: str
    programme: str
    route: str
    service: str
    urgency: str
    referred_on: date
    received_at: datetime
    answer_due: date
    sender_due: date | None = None
    expires_on: date | None = None
    stands_since: date | None = None
    reminded: int = 0
    mapped: Mapping[str, str] = Field(default_factory=dict)
    unmapped: Mapping[str, str] = Field(default_factory=dict)
    own_municipality: bool = False
    state: State = "received"
    coordinator_id: str | None = None
    accepted_on: date | None = None
    starts_on: date | None = None
    review_on: date | None = None
    forwarded_to: str | None = None
    reason: str | None = None
    outcome: str | None = None
    concluded_on: date | None = None
    history: tuple[Step, ...] = ()
    changed_at: datetime | None = None


Decided = tuple[Referral, list[EventData]]


def receive(
    *,
    referral_id: str,
    external_id: str,
    organisation_id: str,
    person_id: str,
    case_code: str,
    programme: str,
    route: str,
    service: str,
    urgency: str,
    referred_on: date,
    answer_due: date,
    expires_on: date | None = None,
    mapped: Mapping[str, str] | None = None,
    unmapped: Mapping[str, str] | None = None,
    own_municipality: bool = False,
    test: bool = False,
    at: datetime,
    by: str,
) -> Decided:
    """A new referral, sent by the machine `by`."""
    referral = Referral(
        id=referral_id,
        version=1,
        test=test,
        external_id=external_id,
        organisation_id=organisation_id,
        client_id=by,
        person_id=person_id,
        case_code=case_code,
        programme=programme,
        route=route,
        service=service,
        urgency=urgency,
        referred_on=referred_on,
        received_at=at,
        answer_due=answer_due,
        expires_on=expires_on,
        mapped=mapped or {},
        unmapped=unmapped or {},
        own_municipality=own_municipality,
        history=(Step(kind="received", at=at, by=by, party="sender"),),
        changed_at=at,
    )
    event = ReferralReceived(
        referral_id=referral.id,
        person_id=person_id,
        case_code=case_code,
        programme=programme,
        route=route,
        service=service,
        organisation_id=organisation_id,
        referred_on=referred_on,
        answer_due=answer_due,
        urgency=urgency,
    )
    return referral, [event]


def conclude(referral: Referral, *, outcome: str, on: date, at: datetime) -> Decided:
    """The pathway has ended; the sender hears the coded outcome. Also when the sender had asked for the referral
    back and the work was done already. Raises Refused unless it was accepted.
    """
    if referral.state not in ("accepted", "withdrawal-requested"):
        raise Refused("wrong-state")
    changes = {"state": "concluded", "outcome": outcome, "concluded_on": on}
    after = step(referral, "concluded", at, None, "polku", **changes)
    return after, [ReferralConcluded(**about(referral), outcome=outcome, concluded_on=on)]


def commands_of(referral: Referral) -> tuple[str, ...]:
    """What the project may do now: with codes that nobody knows, everything but accepting.

    What the sender's own codes stand for may be said, and said again, as long as the referral can be answered.
    """
    commands = COMMANDS[referral.state]
    if "accept" not in commands or not (own_codes(referral) or referral.own_municipality):
        return commands
    return (*(command for command in commands if command != "accept" or not referral.unmapped), "map-codes")


def own_codes(referral: Referral) -> dict[str, str]:
    """Field → the sender's own code, known or not."""
    return {**referral.mapped, **referral.unmapped}


def about(referral: Referral) -> dict[str, str]:
    """What every event about a referral begins with."""
    return {"referral_id": referral.id, "person_id": referral.person_id, "programme": referral.programme}


def check(referral: Referral, command: str, allowed: Mapping[State, tuple[str, ...]]) -> None:
    """Raises Refused when the state does not know the command."""
    if command not in allowed[referral.state]:
        raise Refused("wrong-state")


def step(referral: Referral, kind: str, at: datetime, by: str | None, party: Party, **changes: object) -> Referral:
    """The referral after one event, with a line of history."""
    history = (*referral.history, Step(kind=kind, at=at, by=by, party=party))
    changes = {"version": referral.version + 1, "history": history, "changed_at": at, **changes}
    return referral.model_copy(update=changes)
