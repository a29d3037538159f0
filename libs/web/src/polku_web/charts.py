"""Charts as inline SVG with a table of the same figures, for the page, for print and for a screen reader.

Values stand as text beside the marks, so nothing depends on colour or on pointing. Everything is drawn with
presentation attributes and classes: the CSP allows no inline style.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup, escape

from polku_web import formats
from polku_web.i18n import Message, msg

Say = Callable[[Message | str], str]

WIDTH = 320.0
BAR_TOP = 22.0
BAR_HEIGHT = 18.0
BAR_CHART_HEIGHT = 64.0
LINE_CHART_HEIGHT = 140.0
LABEL_WIDTH, LABEL_HEIGHT = 120.0, 18.0
LABEL_ROOM = 70.0
"""Left of this a label starts at its mark, right of it ends there, so that none leaves the picture."""


@dataclass(frozen=True)
class Chart:
    """A picture and the same figures as rows of text; parts.figure_chart shows both."""

    title: str
    svg: Markup
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Series:
    """One line: a name and its points in the order of days."""

    name: str
    points: Sequence[tuple[date, float]]


def target_bar(
    title: str,
    value: float,
    target: float | None,
    *,
    forecast: float | None = None,
    decimals: int = 0,
    say: Say,
    lang: str,
) -> Chart:
    """A bar of `value` with a mark at `target` and, dashed, where it is forecast to end."""
    top = max(value, target or 0, forecast or 0, 1) * 1.04

    def x(amount: float) -> float:
        return round(max(amount, 0) / top * WIDTH, 1)

    def shown(amount: float | None) -> str:
        return formats.number(amount, lang, decimals)

    parts = [
        _rect("track", 0, WIDTH),
        _rect("value", 0, x(value)),
        _text("strong", 0, BAR_TOP - 8, shown(value)),
    ]
    rows = [(say(msg("Now")), shown(value))]
    if target is not None:
        label = say(msg("Target %(value)s", value=shown(target)))
        parts += [_mark("goal", x(target)), _label(x(target), BAR_TOP - 8, label)]
        rows.append((say(msg("Target")), shown(target)))
    if forecast is not None:
        label = say(msg("Forecast %(value)s", value=shown(forecast)))
        if forecast > value:
            parts.append(_rect("forecast", x(value), x(forecast) - x(value)))
        else:
            parts.append(_mark("forecast", x(forecast)))
        parts.append(_label(x(forecast), BAR_TOP + BAR_HEIGHT + 17, label))
        rows.append((say(msg("Forecast")), shown(forecast)))
    told = "; ".join(f"{name} {amount}" for name, amount in rows)
    svg = _svg(f"{title}: {told}", BAR_CHART_HEIGHT, parts)
    return Chart(title, svg, [say(msg("Figure")), say(msg("Value"))], rows)


def time_line(
    title: str, series: Sequence[Series], *, target: float | None = None, decimals: int = 0, say: Say, lang: str
) -> Chart:
    """One or two lines over time, the second dashed; each ends with its name and last value."""
    days = sorted({day for line in series for day, _ in line.points})
    values = [value for line in series for _, value in line.points]
    top = max([*values, target or 0, 1]) * 1.08
    left, right, low, high = 4.0, WIDTH - 4.0, LINE_CHART_HEIGHT - 24.0, 26.0
    span = max((days[-1] - days[0]).days, 1) if days else 1

    def at(day: date, value: float) -> tuple[float, float]:
        x = left + (day - days[0]).days / span * (right - left)
        return round(x, 1), round(low - value / top * (low - high), 1)

    parts = [Markup('<line class="axis" x1="{0}" y1="{1}" x2="{2}" y2="{1}"/>').format(left, low, right)]
    if target is not None:
        y = at(days[0], target)[1] if days else high
        parts.append(Markup('<line class="goal" x1="{0}" y1="{1}" x2="{2}" y2="{1}"/>').format(left, y, right))
        label = say(msg("Target %(value)s", value=formats.number(target, lang, decimals)))
        parts.append(_text("", left, y - 5, label))
    drawn = [[at(day, value) for day, value in line.points] for line in series[:2]]
    for number, line in enumerate(series[:2]):
        below = _is_lower_neighbour(number, drawn)
        parts += _line(line, number, drawn[number], below=below, lang=lang, decimals=decimals)
    if days:
        parts.append(_text("", left, LINE_CHART_HEIGHT - 6, formats.day(days[0], lang)))
        parts.append(_text("", right, LINE_CHART_HEIGHT - 6, formats.day(days[-1], lang), "end"))
    by_day = [dict(line.points) for line in series]
    rows = [
        [formats.day(day, lang), *(formats.number(values_of.get(day), lang, decimals) for values_of in by_day)]
        for day in days
    ]
    ends = [f"{line.name} {formats.number(line.points[-1][1], lang, decimals)}" for line in series if line.points]
    svg = _svg(f"{title}: {'; '.join(ends)}", LINE_CHART_HEIGHT, parts)
    return Chart(title, svg, [say(msg("Day")), *(line.name for line in series)], rows)


def _is_lower_neighbour(number: int, drawn: Sequence[Sequence[tuple[float, float]]]) -> bool:
    """Of two lines that end side by side the lower one is named below, or the names would cover each other."""
    if len(drawn) < 2 or not all(drawn):
        return False
    (x, y), (other_x, other_y) = drawn[number][-1], drawn[1 - number][-1]
    is_lower = y > other_y or (y == other_y and number == 1)
    return is_lower and abs(x - other_x) < LABEL_WIDTH and y - other_y < LABEL_HEIGHT


def _line(
    line: Series, number: int, points: Sequence[tuple[float, float]], *, below: bool, lang: str, decimals: int
) -> list[Markup]:
    if not points:
        return []
    kind = "line second" if number else "line"
    drawn = Markup('<polyline class="{}" points="{}"/>').format(kind, " ".join(f"{x},{y}" for x, y in points))
    x, y = points[-1]
    dot = Markup('<circle class="dot" cx="{}" cy="{}" r="3.5"/>').format(x, y)
    label = f"{line.name} {formats.number(line.points[-1][1], lang, decimals)}"
    return [drawn, dot, _text("strong", x, y + LABEL_HEIGHT if below else y - 8, label, "end")]


def _svg(told: str, height: float, parts: Sequence[Markup]) -> Markup:
    opening = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(f"{WIDTH:g}", f"{height:g}", told)
    return opening + Markup("").join(parts) + Markup("</svg>")


def _rect(kind: str, x: float, width: float) -> Markup:
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2"/>').format(
        kind, x, BAR_TOP, round(width, 1), BAR_HEIGHT
    )


def _mark(kind: str, x: float) -> Markup:
    return Markup('<line class="{0}" x1="{1}" y1="{2}" x2="{1}" y2="{3}"/>').format(
        kind, x, BAR_TOP - 4, BAR_TOP + BAR_HEIGHT + 4
    )


def _label(x: float, y: float, text: str) -> Markup:
    """A label at a mark; far enough from the left edge not to meet the value that stands there."""
    return _text("", max(x, LABEL_ROOM), y, text, "start" if x < WIDTH / 2 else "end")


def _text(kind: str, x: float, y: float, text: str, anchor: str = "start") -> Markup:
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(kind, x, y, anchor, escape(text))
