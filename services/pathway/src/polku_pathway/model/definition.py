"""A programme's stages as data: which there are, how one leads to another, how long each should take."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

LANGUAGES = ("fi", "sv", "en")


def _in_every_language(labels: Mapping[str, str]) -> Mapping[str, str]:
    if set(labels) != set(LANGUAGES) or not all(labels.values()):
        raise ValueError("a label is needed in fi, sv and en, and in no other language")
    return labels


Labels = Annotated[Mapping[str, str], AfterValidator(_in_every_language)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]


class Stage(BaseModel):
    """A step of the way. expected_days: after that many days in it the pathway counts as overdue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    labels: Labels
    expected_days: int = Field(gt=0, le=3650)
    next: tuple[Code, ...]


class End(BaseModel):
    """Where a pathway may lead. reasons: the closing reasons that lead here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    labels: Labels
    reasons: tuple[Code, ...] = Field(min_length=1)


class Definition(BaseModel):
    """One version of one programme's path.

    A definition that breaks a rule is refused when it is read: an unknown or double code, a stage that
    nothing leads to, a stage from which no end can be reached, a closing reason with two ends.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    programme: Code
    version: int = Field(ge=1)
    labels: Labels
    starts_on: date
    ends_on: date
    initial: Code
    started: Code
    stages: tuple[Stage, ...] = Field(min_length=1)
    ends: tuple[End, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        ways = {stage.code: stage.next for stage in self.stages}
        ends = [end.code for end in self.ends]
        _no_doubles("code", [*ways, *ends], len(self.stages) + len(self.ends))
        reasons = [reason for end in self.ends for reason in end.reasons]
        _no_doubles("closing reason", reasons, len(reasons))
        unknown = {code for codes in ways.values() for code in codes} - set(ways) - set(ends)
        unknown |= {self.initial, self.started} - set(ways)
        if unknown:
            raise ValueError(f"unknown stages: {sorted(unknown)}")
        if self.started not in ways[self.initial]:
            raise ValueError("the stage after the start cannot be reached from the initial one")
        lost = (set(ways) | set(ends)) - _reached_from(self.initial, ways)
        if lost:
            raise ValueError(f"nothing leads to: {sorted(lost)}")
        stuck = {code for code in ways if not _reached_from(code, ways) & set(ends)}
        if stuck:
            raise ValueError(f"no end can be reached from: {sorted(stuck)}")
        if self.starts_on > self.ends_on:
            raise ValueError("the programme ends before it starts")
        return self

    def stage(self, code: str) -> Stage | None:
        """The stage with this code; None for an end or an unknown code."""
        return next((stage for stage in self.stages if stage.code == code), None)

    def end_for(self, reason: str) -> End | None:
        """The end that a closing reason leads to."""
        return next((end for end in self.ends if reason in end.reasons), None)

    def steps_from(self, code: str) -> tuple[Stage, ...]:
        """The stages (not ends) that a person in `code` may be moved to."""
        stage = self.stage(code)
        return tuple(step for step in self.stages if stage and step.code in stage.next)

    def reasons_from(self, code: str) -> tuple[str, ...]:
        """The closing reasons that are possible for a person in `code`."""
        stage = self.stage(code)
        ends = [end for end in self.ends if stage and end.code in stage.next]
        return tuple(reason for end in ends for reason in end.reasons)

    def due_on(self, code: str, since: date) -> date | None:
        """The last expected day in a stage entered on `since`; None in an end."""
        stage = self.stage(code)
        return None if stage is None else since + timedelta(days=stage.expected_days)

    def labels_of(self, code: str) -> Mapping[str, str]:
        """Labels of a stage or an end. Raises KeyError when there is none."""
        steps: tuple[Stage | End, ...] = (*self.stages, *self.ends)
        return {step.code: step.labels for step in steps}[code]


def _no_doubles(what: str, codes: Iterable[str], count: int) -> None:
    if len(set(codes)) != count:
        raise ValueError(f"a {what} is there twice")


def _reached_from(start: str, ways: Mapping[str, Iterable[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        code = waiting.pop()
        if code not in reached:
            reached.add(code)
            waiting.extend(ways.get(code, ()))
    return reached
