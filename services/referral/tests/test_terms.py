"""Finnish working days, and how long each side has."""

from datetime import UTC, date, datetime, timedelta

import pytest

from polku_referral.model.terms import Terms, is_working_day, working_days_after, working_days_between
from polku_referral.terms import read_terms
from polku_web.formats import local_day

TERMS = read_terms()

CLOSED = {
    2025: "1.1 6.1 18.4 21.4 1.5 29.5 20.6 24.12 25.12 26.12",
    2026: "1.1 6.1 3.4 6.4 1.5 14.5 19.6 24.12 25.12",
    2027: "1.1 6.1 26.3 29.3 6.5 25.6 6.12 24.12",
}
"""Weekdays on which offices are closed, by the almanac of the University of Helsinki; the eves of Midsummer and
Christmas among them.
"""


@pytest.mark.parametrize("year", CLOSED)
def test_every_day_of_a_year_is_open_or_closed_as_the_almanac_says(year: int) -> None:
    named = {datetime.strptime(f"{day}.{year}", "%d.%m.%Y").date() for day in CLOSED[year].split()}  # noqa: DTZ007
    days = [
        date(year, 1, 1) + timedelta(days=number) for number in range((date(year + 1, 1, 1) - date(year, 1, 1)).days)
    ]
    assert {day for day in days if day.weekday() < 5 and not is_working_day(day)} == named
    assert not any(is_working_day(day) for day in days if day.weekday() >= 5)


@pytest.mark.parametrize(
    ("day", "count", "expected"),
    [
        # Easter 2026: Good Friday 3.4., Easter Monday 6.4.
        ("2026-04-01", 1, "2026-04-02"),
        ("2026-04-02", 1, "2026-04-07"),
        ("2026-04-07", -1, "2026-04-02"),
        ("2026-03-26", 10, "2026-04-13"),
        # Midsummer 2026: the eve is Friday 19.6.
        ("2026-06-18", 1, "2026-06-22"),
        ("2026-06-19", 1, "2026-06-22"),
        ("2026-06-22", -1, "2026-06-18"),
        # Christmas 2026 to Epiphany 2027: 24. and 25.12., 1.1. and Wednesday 6.1.
        ("2026-12-23", 1, "2026-12-28"),
        ("2026-12-31", 1, "2027-01-04"),
        ("2026-12-23", 5, "2027-01-04"),
        ("2027-01-05", 1, "2027-01-07"),
        # Independence Day is a Sunday in 2026 and a Monday in 2027.
        ("2026-12-04", 1, "2026-12-07"),
        ("2027-12-03", 1, "2027-12-07"),
        # May Day and Ascension Day.
        ("2026-04-30", 1, "2026-05-04"),
        ("2026-05-13", 1, "2026-05-15"),
        # From a day that is closed itself.
        ("2026-02-28", 1, "2026-03-02"),
        ("2026-03-01", -1, "2026-02-27"),
        ("2026-03-01", 0, "2026-03-01"),
    ],
)
def test_working_days_after(day: str, count: int, expected: str) -> None:
    found = working_days_after(date.fromisoformat(day), count)
    assert found.isoformat() == expected


def test_counting_and_stepping_agree_on_every_day_of_three_years() -> None:
    for number in range(3 * 365):
        day = date(2025, 1, 1) + timedelta(days=number)
        for count in (1, 2, 10):
            assert working_days_between(day, working_days_after(day, count)) == count
        assert working_days_between(day, day) == 0
        assert working_days_between(day, day - timedelta(days=9)) == 0


def test_the_days_of_a_reminder_are_the_days_before() -> None:
    """`due_soon_until` looks forward, people count back: both mean the same day."""
    for number in range(365):
        today = date(2026, 1, 1) + timedelta(days=number)
        horizon = TERMS.due_soon_until("self", today)
        for ahead in range(40):
            due = today + timedelta(days=ahead)
            assert (due <= horizon) is (working_days_after(due, -TERMS.default.remind) <= today)


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-28T21:59", "2026-03-28"),  # winter time: two hours ahead
        ("2026-03-28T22:00", "2026-03-29"),  # the night on which clocks go forward
        ("2026-03-29T20:59", "2026-03-29"),
        ("2026-03-29T21:00", "2026-03-30"),  # summer time: three
        ("2026-10-24T21:00", "2026-10-25"),  # the night on which they go back
        ("2026-10-25T21:30", "2026-10-25"),
        ("2026-10-25T22:00", "2026-10-26"),
        ("2026-12-31T21:59", "2026-12-31"),
        ("2026-12-31T22:00", "2027-01-01"),
    ],
)
def test_days_are_helsinki_days(moment: str, day: str) -> None:
    assert local_day(datetime.fromisoformat(moment).replace(tzinfo=UTC)).isoformat() == day


@pytest.mark.parametrize(
    ("due", "stands_since", "answered", "expected"),
    [
        ("2026-03-16", "2026-03-04", "2026-03-05", "2026-03-17"),  # asked with eight days left: eight again
        ("2026-03-16", "2026-03-04", "2026-03-04", "2026-03-16"),  # answered at once: nothing has changed
        ("2026-03-16", "2026-03-16", "2026-03-20", "2026-03-23"),  # asked on the last day: one day to read it
        ("2026-03-16", "2026-03-18", "2026-03-20", "2026-03-23"),  # asked too late: no more than that
        ("2026-04-02", "2026-03-31", "2026-04-02", "2026-04-08"),  # two left, and Easter between
        ("2026-03-16", None, "2026-03-12", "2026-03-16"),
    ],
)
def test_after_a_question_the_project_has_what_it_had_left(
    due: str, stands_since: str | None, answered: str, expected: str
) -> None:
    since = date.fromisoformat(stands_since) if stands_since else None
    spell = TERMS.after_answer("self", date.fromisoformat(due), since, date.fromisoformat(answered))
    assert spell.due.isoformat() == expected
    assert spell.expires_on == working_days_after(spell.due, TERMS.default.expire)


def test_a_question_has_the_routes_own_time() -> None:
    assert TERMS.for_question("self", date(2026, 3, 2)).due == date(2026, 3, 9)
    assert TERMS.for_question("multisectoral-service", date(2026, 3, 2)).due == date(2026, 3, 16)
    assert Terms(default=TERMS.default).for_question("multisectoral-service", date(2026, 3, 2)).due == date(2026, 3, 9)
