"""Referrals that wait for an answer, made by the rules alone."""

from datetime import UTC, date, datetime, timedelta

from polku_events.referral import ReferralReminded
from polku_referral.model import answers, sending
from polku_referral.model.clocks import strike
from polku_referral.model.referral import Referral, receive
from polku_referral.terms import read_terms

TERMS = read_terms()
AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def fresh(referral_id: str, on: date, route: str = "self", urgency: str = "normal", at: datetime = AT) -> Referral:
    due = TERMS.answer_due(route, urgency, on)
    return receive(
        referral_id=referral_id, external_id=f"X-{referral_id}", organisation_id="o", person_id="p", case_code="K-7F3K2",
        programme="kainuu", route=route, service="training", urgency=urgency, referred_on=on, answer_due=due,
        expires_on=TERMS.expires_on(route, due), at=at, by="c",
    )[0]  # fmt: skip


def days(referral: Referral, first: date, count: int) -> dict[str, str]:
    """Lets so many days pass; event → the day on which it was said."""
    said = {}
    for number in range(count):
        today = first + timedelta(days=number)
        while decided := strike(referral, TERMS, today=today, at=AT):
            referral, (event,) = decided
            said[f"{event.level} {event.waits_for}" if isinstance(event, ReferralReminded) else "expired"] = str(today)
    return said


def asked(referral: Referral, on: date) -> Referral:
    spell = TERMS.for_question(referral.route, on)
    return answers.ask(referral, on=on, sender_due=spell.due, expires_on=spell.expires_on, at=AT, by="s")[0]


def answered(referral: Referral, on: date) -> Referral:
    spell = TERMS.after_answer(referral.route, referral.answer_due, referral.stands_since, on)
    return sending.answer(referral, answer_due=spell.due, expires_on=spell.expires_on, on=on, at=AT, by="c")[0]
