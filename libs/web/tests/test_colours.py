"""Every pair of colours that carries text or meaning, by calculation (WCAG 2.1, 1.4.3 and 1.4.11)."""

import re
from importlib.resources import files

import pytest

CSS = files("polku_web").joinpath("static/polku.css").read_text("utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
    for block in re.findall(r":root \{(.*?)\n\s*\}", CSS, re.S)[:2]
)

TEXT = [
    ("ink", "ground"), ("ink", "surface"), ("ink", "sunken"), ("muted", "ground"), ("muted", "surface"), ("muted", "sunken"),
    ("accent", "ground"), ("accent", "surface"), ("accent-ink", "accent"), ("good", "good-soft"), ("notice", "notice-soft"),
    ("alert", "alert-soft"), ("alert", "surface"), ("alert", "ground"), ("ink", "accent-soft"), ("ink", "alert-soft"),
    ("accent", "alert-soft"), ("accent", "accent-soft"), ("ink", "good-soft"), ("ink", "notice-soft"),
]  # fmt: skip
GRAPHIC = [
    ("edge", "surface"), ("edge", "ground"), ("accent", "sunken"), ("good", "ground"), ("notice", "ground"), ("forecast", "sunken"),
    ("forecast", "surface"), ("second", "surface"), ("ink", "sunken"), ("edge", "sunken"),
]  # fmt: skip


def luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_formula() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#0062b9", "#ffffff") == pytest.approx(6.1, abs=0.1)


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), TEXT)
def test_text_is_readable(scheme: dict[str, str], front: str, back: str) -> None:
    assert contrast(scheme[front], scheme[back]) >= 4.5


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), GRAPHIC)
def test_marks_and_borders_are_seen(scheme: dict[str, str], front: str, back: str) -> None:
    assert contrast(scheme[front], scheme[back]) >= 3


def test_both_schemes_name_every_colour() -> None:
    assert LIGHT.keys() == DARK.keys()
