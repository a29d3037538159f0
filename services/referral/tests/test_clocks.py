"""What time does to referrals that nobody answers, by the rules alone: day by day, and once."""

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from polku_events import EventData
from polku_events.referral import ReferralExpired, ReferralReminded
from polku_referral.model import answers
from polku_referral.model.clocks import strike
from polku_referral.model.referral import WAITING, Referral
from polku_referral.model.terms import working_days_after
from polku_web.formats import local_day

from .standing import AT, TERMS, answered, asked, days, fresh


def test_the_life_of_a_referral_that_nobody_answers() -> None:
    monday = date(2026, 3, 2)
    assert days(fresh("a", monday), monday, 90) == {
        "due-soon project": "2026-03-12",
        "overdue project": "2026-03-17",
        "expired": "2026-04-16",
    }
    assert days(fresh("a", monday, urgency="urgent"), monday, 90) == {
        "due-soon project": "2026-03-03",
        "overdue project": "2026-03-06",
        "expired": "2026-04-03",
    }


def test_after_a_pause_only_what_matters_now_is_said() -> None:
    monday = date(2026, 3, 2)
    assert days(fresh("a", monday), monday + timedelta(days=20), 5) == {"overdue project": "2026-03-22"}
    assert days(fresh("a", monday), monday + timedelta(days=200), 5) == {"expired": "2026-09-18"}


def test_while_the_sender_is_asked_the_projects_time_stands() -> None:
    monday = date(2026, 3, 2)
    question = asked(fresh("a", monday), monday + timedelta(days=9))
    assert days(question, monday + timedelta(days=9), 90) == {
        "due-soon sender": "2026-03-16",
        "overdue sender": "2026-03-19",
        "expired": "2026-04-18",
    }
    # Three working days were left on Wednesday 11.3.; they are there again after the answer, however late it is.
    again = answered(question, date(2026, 4, 1))
    assert (again.answer_due, again.expires_on) == (date(2026, 4, 8), date(2026, 5, 7))
    assert (again.sender_due, again.stands_since, again.reminded) == (None, None, 0)


def test_a_second_question_does_not_cost_the_project_its_days() -> None:
    monday = date(2026, 3, 2)
    twice = asked(asked(fresh("a", monday), monday), date(2026, 3, 6))
    assert (twice.stands_since, twice.sender_due) == (monday, date(2026, 3, 13))
    assert answered(twice, date(2026, 3, 12)).answer_due == working_days_after(date(2026, 3, 12), 10)


def test_who_waits_in_the_queue_does_not_expire_before_the_review() -> None:
    review = date(2026, 9, 1)
    waiting, _ = answers.waitlist(
        fresh("a", date(2026, 3, 2)), review_on=review, expires_on=TERMS.expires_on("self", review), at=AT, by="s"
    )
    said = days(waiting, date(2026, 3, 2), 300)
    assert said == {"due-soon project": "2026-08-28", "overdue project": "2026-09-02", "expired": "2026-09-30"}


@dataclass
class Said:
    """What one referral heard, and the days on which it had to."""

    expected: dict[str, date]
    heard: dict[str, date] = field(default_factory=dict)


def test_a_year_with_a_clock_that_stops_for_nights_and_weekends() -> None:
    """Referrals arrive at any hour; the worker looks at most hours, and not at all for some days."""
    chance, now = random.Random(5), datetime(2026, 1, 1, tzinfo=UTC)
    waiting: dict[str, Referral] = {}
    said: dict[str, Said] = {}
    for hour in range(366 * 24):
        now += timedelta(hours=1)
        today = local_day(now)
        if chance.random() < 0.05 and hour < 300 * 24:
            route = chance.choice(["self", "multisectoral-service", "employment-service"])
            one = fresh(str(hour), today, route, chance.choice(["normal", "urgent"]), now)
            assert one.expires_on is not None
            waiting[one.id] = one
            said[one.id] = Said(
                {
                    "due-soon": max(today, working_days_after(one.answer_due, -TERMS.of(route).remind)),
                    "overdue": one.answer_due + timedelta(days=1),
                    "expired": one.expires_on + timedelta(days=1),
                }
            )
        for one in list(waiting.values()):
            decided = strike(one, TERMS, today=today, at=now)
            if decided is None:
                continue
            after, (event,) = decided
            waiting[one.id] = after
            what = event.level if isinstance(event, ReferralReminded) else "expired"
            assert what not in said[one.id].heard
            said[one.id].heard[what] = today
            if after.state == "expired":
                del waiting[one.id]
    assert len(said) > 300
    done = {name: told for name, told in said.items() if name not in waiting}
    assert len(done) > 250
    assert all(told.heard == told.expected for told in done.values())


def test_what_was_answered_hears_nothing_more() -> None:
    done: EventData
    one = fresh("a", date(2026, 3, 2))
    declined, (done,) = answers.decline(one, reason="other", on=date(2026, 3, 3), at=AT, by="s")
    assert declined.state not in WAITING
    assert not isinstance(done, ReferralExpired)
    assert days(declined, date(2026, 3, 2), 400) == {}
