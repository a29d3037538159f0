"""What a definition file may say: a small closed vocabulary, and nothing else."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

EntryStatus = Literal["unemployed", "inactive", "student", "employed"]
GENDERS = ("woman", "man", "non-binary", "not-stated")
"""The Regulation's three and the answer that was not given; the last counts in the total only."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Labels(_Part):
    """One text in the three languages."""

    fi: str
    sv: str
    en: str

    def in_language(self, lang: str) -> str:
        return {"fi": self.fi, "sv": self.sv}.get(lang, self.en)


class Range(_Part):
    """Whole numbers, both ends included; a missing end is open."""

    min: int | None = None
    max: int | None = None


class Conditions(_Part):
    """All of these must hold, in this order; the first that fails is the reason for being left out."""

    complete: bool = True
    """Gender, employment status, age and education are known."""
    entry_status: tuple[EntryStatus, ...] | None = None
    age: Range | None = None
    education: Range | None = None
    """ISCED 0-8, the highest level completed before the start."""
    long_term_unemployed: bool | None = None
    """Unemployed for `ltu_months` (`ltu_months_under25` below 25) or more on the start day."""
    base: tuple[str, ...] | None = None
    """Counted in one of these figures, which the file gives before."""
    left: bool | None = None
    exit_status: tuple[EntryStatus, ...] | None = None
    in_education_after: bool | None = None
    qualification: bool | None = None
    within_days_after_leaving: int | None = Field(None, ge=0)


class _Figure(_Part):
    code: str = Field(pattern=r"^[A-Z][A-Z0-9-]*$")
    labels: Labels


class Definition(_Figure):
    """One figure that counts persons.

    label_source: `funder` when the words are the funder's own, `working` when they are our translation.
    sum_of: figures whose values add up to this one, shown beside it.
    """

    kind: Literal["output", "result", "national"]
    label_source: Literal["funder", "working"]
    sum_of: tuple[str, ...] = ()
    conditions: Conditions


TallySource = Literal[
    "sessions-held", "session-minutes", "attendances", "attendance-minutes", "referrals-received", "referrals-accepted"
]


class TallyDefinition(_Figure):
    """One figure that counts happenings, shown beside the indicators. `minutes` are shown as hours."""

    source: TallySource
    unit: Literal["times", "minutes"]


class Unrecorded(_Figure):
    """A figure that the plan promises and that nothing in Polku records yet: it has no value, not zero."""

    note: Labels


class Parameters(_Part):
    ltu_months: int = Field(ge=1)
    ltu_months_under25: int = Field(ge=1)
    ltu_source: str


class Definitions(_Part):
    """A whole definition file."""

    version: str
    valid_from: str
    source: str
    parameters: Parameters
    figures: tuple[Definition, ...]
    tallies: tuple[TallyDefinition, ...]
    unrecorded: tuple[Unrecorded, ...] = ()
    activities: dict[str, Labels]

    @property
    def everything(self) -> tuple[_Figure, ...]:
        return (*self.figures, *self.tallies, *self.unrecorded)

    @model_validator(mode="after")
    def _codes_are_known(self) -> "Definitions":
        seen: set[str] = set()
        for figure in self.figures:
            unknown = set(figure.conditions.base or ()) - seen
            if unknown:
                raise ValueError(f"{figure.code}: base {sorted(unknown)} is not defined before it")
            seen.add(figure.code)
        codes = [item.code for item in self.everything]
        twice = {code for code in codes if codes.count(code) > 1}
        if twice:
            raise ValueError(f"defined twice: {sorted(twice)}")
        for figure in self.figures:
            if set(figure.sum_of) - set(codes):
                raise ValueError(f"{figure.code}: sum_of names unknown figures")
        return self
