"""Charts say in text and in their table what they draw."""

import xml.etree.ElementTree as ET
from datetime import date
from functools import partial

import pytest

from polku_web.charts import Chart, Series, target_bar, time_line
from polku_web.i18n import texts

SAY = partial(texts("polku_web").say, "fi")


def drawn(chart: Chart) -> ET.Element:
    root = ET.fromstring(str(chart.svg))
    assert root.attrib["role"] == "img"
    assert not any("style" in element.attrib for element in root.iter())
    width = float(root.attrib["viewBox"].split()[2])
    for element in root.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.attrib.get(name, 0)) <= width
    return root


def test_a_bar_against_its_target() -> None:
    chart = target_bar("Osallistujat", 41, 95, forecast=88.4, say=SAY, lang="fi")
    root = drawn(chart)
    assert root.attrib["aria-label"] == "Osallistujat: Nyt 41; Tavoite 95; Ennuste 88"
    assert [element.text for element in root.iter("text")] == ["41", "Tavoite 95", "Ennuste 88"]
    assert chart.rows == [("Nyt", "41"), ("Tavoite", "95"), ("Ennuste", "88")]


@pytest.mark.parametrize(
    ("value", "target", "forecast"),
    [(0, 95, 0), (0, 0, None), (200, 95, 250), (3, None, None), (50, 95, 50), (95, 95, 95)],
)
def test_bars_stay_in_the_picture(value: float, target: float | None, forecast: float | None) -> None:
    drawn(target_bar("x", value, target, forecast=forecast, say=SAY, lang="fi"))


def test_a_line_over_time() -> None:
    first = Series("Toteuma", [(date(2026, 1, 1), 0), (date(2026, 2, 1), 10), (date(2026, 3, 1), 41)])
    second = Series("Suunnitelma", [(date(2026, 1, 1), 0), (date(2026, 3, 1), 40)])
    chart = time_line("Osallistujat", [first, second], target=95, say=SAY, lang="fi")
    root = drawn(chart)
    assert root.attrib["aria-label"] == "Osallistujat: Toteuma 41; Suunnitelma 40"
    assert chart.columns == ["Päivä", "Toteuma", "Suunnitelma"]
    assert chart.rows[1] == ["1.2.2026", "10", ""]


def test_a_line_of_nothing_or_one_day() -> None:
    drawn(time_line("x", [], say=SAY, lang="fi"))
    drawn(time_line("x", [Series("a", [(date(2026, 1, 1), 5)])], say=SAY, lang="sv"))


def test_titles_are_text() -> None:
    chart = target_bar('<script>"&', 1, 2, say=SAY, lang="fi")
    assert "<script>" not in str(chart.svg)
    drawn(chart)
