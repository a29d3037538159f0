"""The programme's plan: its period and what it promised."""

from datetime import date

from pydantic import BaseModel, ConfigDict, Field, model_validator

from polku_indicators.model.definitions import Labels


class Target(BaseModel):
    """A promised value of one figure at the end of the period.

    labels: the plan's own words, where they differ from the indicator's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    figure: str
    value: int = Field(ge=0)
    labels: Labels | None = None


class Plan(BaseModel):
    """A whole programme file. Days are inclusive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    programme: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    version: str
    labels: Labels
    period_note: str
    starts_on: date
    ends_on: date
    targets: tuple[Target, ...]

    @model_validator(mode="after")
    def _period_is_forward(self) -> "Plan":
        if self.ends_on <= self.starts_on:
            raise ValueError("the programme ends before it starts")
        return self

    def target(self, code: str) -> Target | None:
        return next((target for target in self.targets if target.figure == code), None)

    def covers(self, day: date) -> bool:
        return self.starts_on <= day <= self.ends_on
