"""How long everybody has: counted in Finnish working days, per route (`data/terms.yaml`)."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from typing import NamedTuple

import holidays
from pydantic import BaseModel, ConfigDict


class Term(BaseModel):
    """All in working days. answer: for the project, by urgency; question: for the sender; remind: before the day
    to answer; expire: after it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer: Mapping[str, int]
    question: int
    remind: int
    expire: int


class Spell(NamedTuple):
    """How long one side has. due: the last day to answer in time; expires_on: the last day to answer at all."""

    due: date
    expires_on: date


class Terms(BaseModel):
    """The terms of each route; `default` for routes that are not named."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default: Term
    routes: Mapping[str, Term] = {}

    def of(self, route: str) -> Term:
        return self.routes.get(route, self.default)

    def answer_due(self, route: str, urgency: str, from_day: date) -> date:
        """The last day on which the project answers in time."""
        days = self.of(route).answer
        return working_days_after(from_day, days.get(urgency, days["normal"]))

    def expires_on(self, route: str, due: date) -> date:
        """The last day on which a referral can be answered that should have been by `due`; it ends after that day."""
        return working_days_after(due, self.of(route).expire)

    def for_question(self, route: str, asked_on: date) -> Spell:
        """The sender's time to answer a question. The project's stands meanwhile."""
        due = working_days_after(asked_on, self.of(route).question)
        return Spell(due, self.expires_on(route, due))

    def after_answer(self, route: str, due: date, stands_since: date | None, answered_on: date) -> Spell:
        """The project's time after the sender has answered: the working days that it had left, one at least.

        due: by when the project had to answer before it asked. stands_since: when it asked first.
        """
        left = working_days_between(stands_since or answered_on, due)
        due = working_days_after(answered_on, max(left, 1))
        return Spell(due, self.expires_on(route, due))

    def due_soon_until(self, route: str, today: date) -> date:
        """Of a day to answer up to this one people are reminded today already."""
        return working_days_after(today, self.of(route).remind)


def is_working_day(day: date) -> bool:
    return day.weekday() < 5 and day not in _holidays(day.year)


def working_days_after(day: date, count: int) -> date:
    """The `count`-th working day after a day; a negative count goes back."""
    way = 1 if count >= 0 else -1
    for _ in range(abs(count)):
        day += timedelta(days=way)
        while not is_working_day(day):
            day += timedelta(days=way)
    return day


def working_days_between(after: date, until: date) -> int:
    """How many working days follow a day, up to and with another; none when that is not later."""
    days = (after + timedelta(days=number) for number in range(1, (until - after).days + 1))
    return sum(is_working_day(day) for day in days)


@cache
def _holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("FI", years=year))
