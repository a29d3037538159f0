"""Days, times and numbers as people in Finland write them."""

from datetime import UTC, date, datetime

import pytest

from polku_web import formats

MARCH = datetime(2026, 3, 5, 7, 5, tzinfo=UTC)
NBSP = "\u00a0"


@pytest.mark.parametrize(
    ("lang", "day", "clock", "moment", "number", "percent"),
    [
        ("fi", "5.3.2026", "9.05", "5.3.2026 9.05", f"1{NBSP}234,5", f"40{NBSP}%"),
        ("sv", "5.3.2026", "9.05", "5.3.2026 9.05", f"1{NBSP}234,5", f"40{NBSP}%"),
        ("en", "5 Mar 2026", "09:05", "5 Mar 2026 09:05", "1,234.5", "40%"),
    ],
)
def test_forms(lang: str, day: str, clock: str, moment: str, number: str, percent: str) -> None:
    assert formats.day(MARCH, lang) == formats.day(date(2026, 3, 5), lang) == formats.day("2026-03-05", lang) == day
    assert formats.clock(MARCH, lang) == clock
    assert formats.moment(MARCH, lang) == moment
    assert formats.number(1234.5, lang, 1) == number
    assert formats.number(95, lang) == "95"
    assert formats.percent(0.4, lang) == percent


@pytest.mark.parametrize(
    ("lang", "text"), [("fi", "5 minuuttia sitten"), ("sv", "för 5 minuter sedan"), ("en", "5 minutes ago")]
)
def test_ago(lang: str, text: str) -> None:
    assert formats.ago(MARCH, MARCH.replace(minute=10), lang) == text


def test_instants_are_shown_in_helsinki() -> None:
    before_midnight = datetime(2026, 12, 31, 22, 30, tzinfo=UTC)
    assert formats.day(before_midnight, "fi") == "1.1.2027"
    # The night when the clocks go back: 3.30 comes twice.
    assert formats.clock(datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "fi") == "3.30"
    assert formats.clock(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "fi") == "3.30"
    assert formats.clock(datetime(2026, 6, 1, 6, 0, tzinfo=UTC), "fi") == "9.00"


@pytest.mark.parametrize("show", [formats.day, formats.clock, formats.moment, formats.number, formats.percent])
def test_nothing_is_shown_as_nothing(show) -> None:
    assert show(None, "fi") == ""
