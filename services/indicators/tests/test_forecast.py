"""The forecast: linear on the pace so far, bounded, silent when it would be noise."""

from datetime import date, timedelta

import pytest

from polku_indicators.catalogue import load_rules
from polku_indicators.model.counting import total
from polku_indicators.model.figures import figures
from polku_indicators.model.forecast import TOO_EARLY_DAYS, forecast

PLAN = load_rules().plans["kainuu"]
WHOLE = (PLAN.ends_on - PLAN.starts_on).days + 1


@pytest.mark.parametrize(
    ("day", "value", "state", "expected"),
    [
        (PLAN.starts_on - timedelta(days=1), 0, "not-started", None),
        (PLAN.starts_on, 5, "too-early", None),
        (PLAN.starts_on + timedelta(days=TOO_EARLY_DAYS - 2), 5, "too-early", None),
        (PLAN.starts_on + timedelta(days=WHOLE // 2 - 1), 30, "running", 60),
        (PLAN.starts_on + timedelta(days=WHOLE // 2 - 1), 0, "running", 0),
        (PLAN.ends_on, 93, "over", 93),
        (PLAN.ends_on + timedelta(days=400), 93, "over", 93),
    ],
)
def test_by_day(day, value, state, expected):
    found = forecast(PLAN, value, day, target=95)
    assert (found.state, found.value) == (state, expected)


def test_never_below_what_is_reached_nor_above_the_ceiling():
    half = PLAN.starts_on + timedelta(days=WHOLE // 2 - 1)
    assert forecast(PLAN, 10, half, ceiling=12).value == 12
    assert forecast(PLAN, 10, half, ceiling=8).value == 10


def test_what_an_even_pace_would_have_reached():
    assert forecast(PLAN, 0, PLAN.ends_on, target=95).expected == 95
    half = PLAN.starts_on + timedelta(days=WHOLE // 2 - 1)
    assert forecast(PLAN, 0, half, target=95).expected == pytest.approx(47.5, abs=0.1)


def test_a_result_is_not_forecast_above_its_base():
    counted = {"EECO01": "woman", "EECO04": "woman", "EECR01": "woman"}
    counters = total([{"counted": counted, "tallies": {}}] * 3)
    found = {f.code: f for f in figures(counters, load_rules(), PLAN, date(2026, 6, 1))}
    assert found["EECR01"].forecast.value <= found["EECO04"].forecast.value
    assert found["COMPANIES"].value is None
