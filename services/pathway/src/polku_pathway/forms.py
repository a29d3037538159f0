"""The plain forms of the pages: what they ask, what they start with, and the command that they become."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from polku_events.refusals import Wrong
from polku_pathway.commands import Amend, AnyCommand, ChangeStage, End, Reopen, Start
from polku_pathway.desk import Desk
from polku_pathway.model.pathway import Pathway
from polku_pathway.texts import WRONG
from polku_web.forms import Fields, said
from polku_web.i18n import Message, msg

Errors = dict[str, Message]

CORRECTION = "correction_reason"
"""Exit data have a `reason` of their own, so a form calls the reason of the correction this."""


@dataclass(frozen=True)
class Form:
    """One form. command: its name in `views.commands`. part: `entry` or `exit` when it corrects that part."""

    name: str
    command: str
    title: Message
    done: Message
    shape: type[BaseModel]
    initial: Callable[[Desk, Pathway], Mapping[str, object]]
    part: str = ""

    def values(self, desk: Desk, pathway: Pathway) -> Fields:
        """What the fields hold before anybody has typed, as text."""
        return Fields({name: _text(value) for name, value in self.initial(desk, pathway).items()})

    def read(self, values: Fields) -> AnyCommand:
        """The command that the fields say. Raises ValidationError; see `faults`."""
        told: dict[str, Any] = dict(said(values, "version"))
        if self.part:
            reason = told.pop(CORRECTION, None)
            told = {self.part: told, **({} if reason is None else {"reason": reason})}
        command: AnyCommand = self.shape.model_validate(told)  # type: ignore[assignment]
        return command

    def errors(self, wrong: tuple[Wrong, ...]) -> Errors:
        """The first fault of each field, by the field's name in this form."""
        found: Errors = {}
        for field, code in wrong:
            part, _, inner = field.rpartition("/")
            name = CORRECTION if self.part and not part and inner == "reason" else inner
            found.setdefault(name, WRONG[code])
        return found


def faults(error: ValidationError) -> tuple[Wrong, ...]:
    """A command that could not even be read, as faults of its fields."""
    return tuple(
        Wrong("/".join(str(part) for part in problem["loc"]), _code(problem["type"]))
        for problem in error.errors(include_input=False, include_url=False)
    )


def _code(kind: str) -> str:
    if kind == "missing":
        return "needed"
    return "not-a-day" if kind.startswith("date") else "not-valid"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else str(value)


def _recorded(part: str) -> Callable[[Desk, Pathway], Mapping[str, object]]:
    def initial(desk: Desk, pathway: Pathway) -> Mapping[str, object]:  # noqa: ARG001
        data = getattr(pathway, part)
        return {} if data is None else data.model_dump()

    return initial


FORMS: Mapping[str, Form] = {
    form.name: form
    for form in (
        Form(
            "start",
            "start",
            msg("Start participation"),
            msg("Participation has started."),
            Start,
            lambda desk, pathway: {"started_on": desk.today},  # noqa: ARG005
        ),
        Form(
            "stage",
            "stage",
            msg("Change stage"),
            msg("The stage was changed."),
            ChangeStage,
            lambda desk, pathway: {"on": desk.today},  # noqa: ARG005
        ),
        Form(
            "end",
            "end",
            msg("End the pathway"),
            msg("The pathway has ended."),
            End,
            lambda desk, pathway: {"ended_on": desk.today},  # noqa: ARG005
        ),
        Form(
            "amend-entry",
            "amend",
            msg("Correct entry data"),
            msg("The correction was saved."),
            Amend,
            _recorded("entry"),
            "entry",
        ),
        Form(
            "amend-exit",
            "amend",
            msg("Correct exit data"),
            msg("The correction was saved."),
            Amend,
            _recorded("exit"),
            "exit",
        ),
        Form(
            "reopen",
            "reopen",
            msg("Reopen the pathway"),
            msg("The pathway is open again."),
            Reopen,
            lambda desk, pathway: {"on": desk.today},  # noqa: ARG005
        ),
    )
}


def forms_of(pathway: Pathway, commands: tuple[str, ...]) -> list[Form]:
    """The forms that the pathway's state opens, in the order of the way."""
    return [
        form
        for form in FORMS.values()
        if form.command in commands and (not form.part or getattr(pathway, form.part) is not None)
    ]
