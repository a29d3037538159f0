"""The figures of a programme as they are shown: value, target, gender, forecast, and where they come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from polku_indicators.model.counting import PLAIN, Counters
from polku_indicators.model.definitions import GENDERS, Labels, TallyDefinition
from polku_indicators.model.forecast import Forecast, forecast
from polku_indicators.model.plan import Plan
from polku_indicators.model.rules import Rules

Kind = Literal["output", "result", "national", "tally", "unrecorded"]
CEILINGS = {"EECR01": ("EECO04",), "EECR04": ("EECO02", "EECO04"), "EECR02": ("EECO01",), "EECR03": ("EECO01",)}
"""What a result cannot pass at the programme's end: the people it is drawn from."""


@dataclass(frozen=True)
class Figure:
    """One figure. value None: nothing in Polku records it yet. by_gender is empty for what is not a person.

    parts: for hours, minutes by activity; for a sum, the figures it is the sum of.
    """

    code: str
    kind: Kind
    labels: Labels
    label_source: str
    unit: Literal["persons", "times", "hours", "organisations"]
    value: float | None
    target: int | None
    by_gender: Mapping[str, int]
    parts: Mapping[str, float]
    forecast: Forecast | None
    note: Labels | None = None


def figures(counters: Counters, rules: Rules, plan: Plan, day: date) -> list[Figure]:
    """Every figure of the programme on `day`, in the definition file's order."""
    persons = {rule.code: sum(counters.get(rule.code, {}).values()) for rule in rules.rules}
    return [
        *(_of_persons(rule.code, persons, counters, rules, plan, day) for rule in rules.rules),
        *(_tally(definition, counters) for definition in rules.definitions.tallies),
        *_unrecorded(rules, plan),
    ]


def _of_persons(
    code: str, persons: Mapping[str, int], counters: Counters, rules: Rules, plan: Plan, day: date
) -> Figure:
    rule = rules.rule(code)
    assert rule is not None
    target = plan.target(code)
    promised = None if target is None else target.value
    genders = counters.get(code, {})
    return Figure(
        code=code,
        kind=rule.definition.kind,
        labels=target.labels if target is not None and target.labels is not None else rule.definition.labels,
        label_source=rule.definition.label_source,
        unit="persons",
        value=persons[code],
        target=promised,
        by_gender={gender: genders[gender] for gender in GENDERS if genders.get(gender)},
        parts={part: persons[part] for part in rule.definition.sum_of},
        forecast=forecast(plan, persons[code], day, target=promised, ceiling=_ceiling(code, persons, plan, day)),
    )


def _ceiling(code: str, persons: Mapping[str, int], plan: Plan, day: date) -> int | None:
    bases = CEILINGS.get(code)
    if bases is None:
        return None
    ends = [forecast(plan, persons[base], day).value for base in bases]
    return None if any(end is None for end in ends) else sum(end for end in ends if end is not None)


def _tally(definition: TallyDefinition, counters: Counters) -> Figure:
    scale = 60 if definition.unit == "minutes" else 1

    def number(tally: str) -> float:
        value = counters.get(tally, {}).get(PLAIN, 0)
        return round(value / scale, 1) if scale > 1 else value

    prefix = f"{definition.source}/"
    parts = {name.removeprefix(prefix): number(name) for name in sorted(counters) if name.startswith(prefix)}
    return Figure(
        code=definition.code,
        kind="tally",
        labels=definition.labels,
        label_source="working",
        unit="hours" if scale > 1 else "times",
        value=number(definition.source),
        target=None,
        by_gender={},
        parts=parts,
        forecast=None,
    )


def _unrecorded(rules: Rules, plan: Plan) -> list[Figure]:
    found = []
    for item in rules.definitions.unrecorded:
        target = plan.target(item.code)
        found.append(
            Figure(
                code=item.code,
                kind="unrecorded",
                labels=item.labels,
                label_source="funder",
                unit="organisations",
                value=None,
                target=None if target is None else target.value,
                by_gender={},
                parts={},
                forecast=None,
                note=item.note,
            )
        )
    return found
