"""Definitions compiled once into predicates, and the judgement of one participation by them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from polku_indicators.model.definitions import Conditions, Definition, Definitions, Parameters, Range
from polku_indicators.model.participation import Participation
from polku_indicators.model.plan import Plan

Counted = dict[str, str]
"""Code → gender, for every figure that counts the person."""
Check = Callable[[Participation, Counted], str | None]
"""None when the condition holds, else the code of the reason."""

REASONS = (
    "not-started",
    "outside-period",
    "incomplete",
    "other-status",
    "other-age",
    "other-education",
    "unemployment-start-missing",
    "unemployed-too-short",
    "not-in-base",
    "still-in-programme",
    "status-after-unknown",
    "other-status-after",
    "not-in-education",
    "no-qualification",
    "too-late",
)
COMPLETE = "COMPLETE"
"""Beside the figures: how many records are complete (the invariants compare with it)."""


@dataclass(frozen=True)
class Rule:
    definition: Definition
    checks: tuple[Check, ...]

    @property
    def code(self) -> str:
        return self.definition.code


@dataclass(frozen=True)
class Rules:
    """Everything that decides a figure. fingerprint: hash of the files it was made from."""

    definitions: Definitions
    plans: Mapping[str, Plan]
    rules: tuple[Rule, ...]
    fingerprint: str

    @property
    def version(self) -> str:
        return self.definitions.version

    def rule(self, code: str) -> Rule | None:
        return next((rule for rule in self.rules if rule.code == code), None)


@dataclass(frozen=True)
class Judgement:
    """counted: code → gender. left_out: code → reason. missing: entry data that is not known."""

    counted: Counted
    left_out: dict[str, str]
    missing: tuple[str, ...] = ()


def compile_rules(definitions: Definitions, plans: Mapping[str, Plan], fingerprint: str) -> Rules:
    rules = tuple(
        Rule(definition, tuple(_checks(definition.conditions, definitions.parameters)))
        for definition in definitions.figures
    )
    return Rules(definitions, plans, rules, fingerprint)


def judge(found: Participation | None, rules: Rules, programme: str) -> Judgement:
    """Which figures count this person, and why the others do not.

    A start outside the programme's period, or none at all, counts nowhere.
    """
    plan = rules.plans.get(programme)
    if found is None:
        return Judgement({}, dict.fromkeys((rule.code for rule in rules.rules), "not-started"))
    if plan is not None and not plan.covers(found.started_on):
        return Judgement({}, dict.fromkeys((rule.code for rule in rules.rules), "outside-period"))
    counted: Counted = {}
    left_out: dict[str, str] = {}
    for rule in rules.rules:
        for check in rule.checks:
            reason = check(found, counted)
            if reason is not None:
                left_out[rule.code] = reason
                break
        else:
            counted[rule.code] = found.gender
    missing = found.missing
    if not missing:
        counted[COMPLETE] = found.gender
    return Judgement(counted, left_out, missing)


def _checks(conditions: Conditions, parameters: Parameters) -> list[Check]:
    """The predicates of a set of conditions, in the vocabulary's own order."""
    c = conditions
    checks: list[Check] = []
    if c.complete:
        checks.append(lambda p, _: "incomplete" if p.missing else None)
    if c.entry_status is not None:
        checks.append(_one_of("status", c.entry_status, "other-status"))
    if c.age is not None:
        checks.append(_within("age", c.age, "other-age"))
    if c.education is not None:
        checks.append(_within("education", c.education, "other-education"))
    if c.long_term_unemployed:
        checks.append(_long_term(parameters))
    if c.base is not None:
        checks.append(_based_on(c.base))
    if c.left:
        checks.append(lambda p, _: "still-in-programme" if p.ended_on is None else None)
    checks += _results(c)
    return checks


def _results(c: Conditions) -> list[Check]:
    checks: list[Check] = []
    if c.exit_status is not None or c.in_education_after or c.qualification:
        checks.append(lambda p, _: "status-after-unknown" if p.status_on is None else None)
    if c.exit_status is not None:
        checks.append(_one_of("exit_status", c.exit_status, "other-status-after"))
    if c.in_education_after:
        checks.append(lambda p, _: None if p.in_education else "not-in-education")
    if c.qualification:
        checks.append(lambda p, _: None if p.qualification else "no-qualification")
    if c.within_days_after_leaving is not None:
        checks.append(_within_window(timedelta(days=c.within_days_after_leaving)))
    return checks


def _one_of(name: str, allowed: tuple[str, ...], reason: str) -> Check:
    values = frozenset(allowed)
    return lambda p, _: None if getattr(p, name) in values else reason


def _within(name: str, limits: Range, reason: str) -> Check:
    low = -1 if limits.min is None else limits.min
    high = 999 if limits.max is None else limits.max

    def check(p: Participation, _: Counted) -> str | None:
        value: int | None = getattr(p, name)
        return None if value is not None and low <= value <= high else reason

    return check


def _based_on(codes: tuple[str, ...]) -> Check:
    return lambda _, counted: None if any(code in counted for code in codes) else "not-in-base"


def _long_term(parameters: Parameters) -> Check:
    def check(p: Participation, _: Counted) -> str | None:
        if p.since is None:
            return "unemployment-start-missing"
        young = p.age is not None and p.age < 25
        months = parameters.ltu_months_under25 if young else parameters.ltu_months
        return None if add_months(p.since, months) <= p.started_on else "unemployed-too-short"

    return check


def _within_window(window: timedelta) -> Check:
    def check(p: Participation, _: Counted) -> str | None:
        if p.ended_on is None or p.status_on is None:
            return "status-after-unknown"
        return None if p.status_on <= p.ended_on + window else "too-late"

    return check


def add_months(day: date, months: int) -> date:
    """The same day number `months` later, clamped to that month's end (31.8. + 6 → 28./29.2.)."""
    years, month = divmod(day.month - 1 + months, 12)
    first = date(day.year + years, month + 1, 1)
    following = (first + timedelta(days=32)).replace(day=1)
    last = (following - timedelta(days=1)).day
    return first.replace(day=min(day.day, last))
