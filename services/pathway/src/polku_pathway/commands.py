"""What may be asked of a pathway. Pages and the API build the same commands and meet the same rules."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from polku_events.base import Code
from polku_events.pathway import Entry, Exit
from polku_events.refusals import Refused, Wrong
from polku_pathway.model import pathway as domain
from polku_pathway.model.pathway import Decided, Pathway
from polku_pathway.model.rules import Rules
from polku_pathway.model.timeline import Act


def _text_or_day(value: object) -> object:
    # Pydantic would also take a number of seconds for a day.
    if isinstance(value, str | date) and not isinstance(value, datetime):
        return value
    raise PydanticCustomError("date_type", "This must be a day, YYYY-MM-DD.")


Day = Annotated[date, BeforeValidator(_text_or_day)]


class Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EntryData(Command):
    """Entry data as they were on the start day. Absent means not stated.

    education: highest completed level, ISCED 2011, 0–8. since: in this status since. municipality: three digits.
    """

    started_on: Day
    employment_status: Code | None = None
    since: Day | None = None
    education: Annotated[int, Field(ge=0, le=8)] | None = None
    gender: Code = "not-stated"
    municipality: Annotated[str, Field(pattern=r"^[0-9]{3}$")] | None = None

    def as_entry(self) -> Entry:
        return Entry(**self.model_dump())


class ExitData(Command):
    """Exit data. ended_on: the last day of participation, not the day the form was filled.

    status_on: the day on which the status after was true, at most 28 days after; absent means the last day.
    """

    ended_on: Day
    reason: Code
    employment_status: Code | None = None
    status_on: Day | None = None
    in_education: bool = False
    qualification: bool = False

    def as_exit(self) -> Exit:
        return Exit(**{**self.model_dump(), "status_on": self.status_on or self.ended_on})


class Start(EntryData):
    """Participation begins."""


class ChangeStage(Command):
    """The person moves to another stage of the programme's definition."""

    to_stage: Code
    on: Day


class End(ExitData):
    """Participation ends and the pathway closes; before the start only day and reason are asked."""


class Amend(Command):
    """Recorded data are corrected. What is absent stays; what is there replaces the whole of its part."""

    entry: EntryData | None = None
    exit: ExitData | None = None
    reason: Code


class Reopen(Command):
    """A closed pathway goes on."""

    on: Day
    reason: Code


AnyCommand = Start | ChangeStage | End | Amend | Reopen


def handle(pathway: Pathway, command: AnyCommand, rules: Rules, act: Act) -> Decided:
    """The pathway after the command, and the events that tell of it. Raises Refused."""
    match command:
        case Start():
            return domain.start(pathway, command.as_entry(), rules, act)
        case ChangeStage(to_stage=to_stage, on=on):
            return domain.change_stage(pathway, to_stage, on, rules, act)
        case End():
            return _end(pathway, command, rules, act)
        case Amend():
            return _amend(pathway, command, rules, act)
        case Reopen(on=on, reason=reason):
            return domain.reopen(pathway, on, reason, rules, act)


def _end(pathway: Pathway, command: End, rules: Rules, act: Act) -> Decided:
    if pathway.entry is not None or not pathway.is_open:
        return domain.end(pathway, command.as_exit(), rules, act)
    given = [field for field in ("employment_status", "status_on") if getattr(command, field) is not None]
    given += [field for field in ("in_education", "qualification") if getattr(command, field)]
    if given:
        raise Refused("invalid", [Wrong(field, "not-started") for field in given])
    return domain.close_unstarted(pathway, command.ended_on, command.reason, rules, act)


def _amend(pathway: Pathway, command: Amend, rules: Rules, act: Act) -> Decided:
    if pathway.entry is None:
        raise Refused("not-started")
    if command.exit is not None and pathway.exit is None:
        raise Refused("not-ended")
    entry = command.entry.as_entry() if command.entry else pathway.entry
    leaving = command.exit.as_exit() if command.exit else pathway.exit
    return domain.amend(pathway, entry, leaving, command.reason, rules, act)
