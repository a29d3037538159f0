"""How long everybody has: counted in Finnish working days, per route (`data/terms.yaml`)."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache

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
        """The day on which a referral ends that should have been answered by `due`."""
        return working_days_after(due, self.of(route).expire)


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


@cache
def _holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("FI", years=year))
