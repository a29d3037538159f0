"""Where a figure will stand at the programme's end if the pace so far goes on."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from polku_indicators.model.plan import Plan

TOO_EARLY_DAYS = 56
"""Eight weeks: before that one person more or less would swing the forecast by half."""


@dataclass(frozen=True)
class Forecast:
    """value: whole number expected on the last day, None when too early to say.

    expected: the part of the target that an even pace would have reached by `day`, None without target.
    """

    state: Literal["not-started", "too-early", "running", "over"]
    day: date
    value: int | None
    expected: float | None


def forecast(plan: Plan, value: int, day: date, *, target: int | None = None, ceiling: int | None = None) -> Forecast:
    """Linear on the pace so far: value ÷ days gone × days of the whole period.

    Never below the value reached. ceiling: what the figure cannot pass (a result is part of its base).
    """
    whole = (plan.ends_on - plan.starts_on).days + 1
    gone = min(max((day - plan.starts_on).days + 1, 0), whole)
    expected = None if target is None else target * gone / whole
    if gone == 0:
        return Forecast("not-started", day, None, expected)
    if day >= plan.ends_on:
        return Forecast("over", day, value, expected)
    if gone < TOO_EARLY_DAYS:
        return Forecast("too-early", day, None, expected)
    end = round(value * whole / gone)
    if ceiling is not None:
        end = min(end, ceiling)
    return Forecast("running", day, max(end, value), expected)
