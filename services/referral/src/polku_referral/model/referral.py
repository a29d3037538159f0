"""One referral: what the sender asked, what we answered. Free texts and data of the person are not in it."""

from datetime import date, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from polku_events import Aggregate, EventData
from polku_events.referral import ReferralAccepted, ReferralConcluded, ReferralDeclined, ReferralReceived
from polku_events.refusals import Refused

State = Literal["received", "accepted", "declined", "concluded"]

COMMANDS: dict[State, tuple[str, ...]] = {
    "received": ("accept", "decline"),
    "accepted": (),
    "declined": (),
    "concluded": (),
}
"""What the project's staff may do from a state. A state is left by one of these or by the pathway's end."""


class Step(BaseModel):
    """One line of the history. by: a staff member or client; None for what happened by itself."""

    model_config = ConfigDict(frozen=True)

    kind: str
    at: datetime
    by: str | None


class Referral(Aggregate):
    """reason: coded, of a decline; its text is sealed beside the document. outcome: of the pathway's end."""

    external_id: str
    organisation_id: str
    person_id: str
    case_code: str
    programme: str
    route: str
    service: str
    urgency: str
    referred_on: date
    received_at: datetime
    answer_due: date
    state: State = "received"
    coordinator_id: str | None = None
    accepted_on: date | None = None
    reason: str | None = None
    outcome: str | None = None
    concluded_on: date | None = None
    history: tuple[Step, ...] = ()


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
    days_to_answer: int,
    at: datetime,
    today: date,
    by: str,
) -> tuple[Referral, list[EventData]]:
    """A new referral. days_to_answer: calendar days, by urgency."""
    referral = Referral(
        id=referral_id,
        version=1,
        external_id=external_id,
        organisation_id=organisation_id,
        person_id=person_id,
        case_code=case_code,
        programme=programme,
        route=route,
        service=service,
        urgency=urgency,
        referred_on=referred_on,
        received_at=at,
        answer_due=today + timedelta(days=days_to_answer),
        history=(Step(kind="received", at=at, by=by),),
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
        answer_due=referral.answer_due,
        urgency=urgency,
    )
    return referral, [event]


def accept(
    referral: Referral, *, coordinator_id: str, on: date, at: datetime, by: str
) -> tuple[Referral, list[EventData]]:
    """The project takes the person in. Raises Refused when the referral was answered before."""
    _check(referral, "accept")
    after = _step(referral, "accepted", at, by, state="accepted", accepted_on=on, coordinator_id=coordinator_id)
    event = ReferralAccepted(
        referral_id=referral.id,
        person_id=referral.person_id,
        case_code=referral.case_code,
        programme=referral.programme,
        route=referral.route,
        service=referral.service,
        organisation_id=referral.organisation_id,
        referred_on=referral.referred_on,
        accepted_on=on,
        coordinator_id=coordinator_id,
    )
    return after, [event]


def decline(referral: Referral, *, reason: str, on: date, at: datetime, by: str) -> tuple[Referral, list[EventData]]:
    """The project does not take the person in. Raises Refused when the referral was answered before."""
    _check(referral, "decline")
    after = _step(referral, "declined", at, by, state="declined", reason=reason)
    event = ReferralDeclined(
        referral_id=referral.id,
        person_id=referral.person_id,
        programme=referral.programme,
        reason=reason,
        declined_on=on,
    )
    return after, [event]


def conclude(referral: Referral, *, outcome: str, on: date, at: datetime) -> tuple[Referral, list[EventData]]:
    """The pathway has ended; the sender hears the coded outcome. Raises Refused unless it was accepted."""
    if referral.state != "accepted":
        raise Refused("wrong-state")
    after = _step(referral, "concluded", at, None, state="concluded", outcome=outcome, concluded_on=on)
    event = ReferralConcluded(
        referral_id=referral.id,
        person_id=referral.person_id,
        programme=referral.programme,
        outcome=outcome,
        concluded_on=on,
    )
    return after, [event]


def _check(referral: Referral, command: str) -> None:
    if command not in COMMANDS[referral.state]:
        raise Refused("wrong-state")


def _step(referral: Referral, kind: str, at: datetime, by: str | None, **changes: object) -> Referral:
    history = (*referral.history, Step(kind=kind, at=at, by=by))
    return referral.model_copy(update={"version": referral.version + 1, "history": history, **changes})
