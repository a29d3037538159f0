"""The plain forms of the pages: what they ask, what they start with, and the command that they become."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from polku_pathway.commands import Amend, AnyCommand, ChangeStage, End, Reopen, Start
from polku_pathway.desk import Desk
from polku_pathway.model.pathway import Pathway
from polku_pathway.model.refusals import Wrong
from polku_pathway.texts import WRONG
from polku_web.i18n import Message, msg


class Texts(dict[str, str]):
    """Text by field name; a field that nothing is known of is empty."""

    def __missing__(self, name: str) -> str:
        return ""


Values = dict[str, str]
Errors = dict[str, Message]

CORRECTION = "correction_reason"
"""Exit data have a `reason` of their own, so a form calls the reason of the correction this."""

FINNISH_DAY = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)


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

    def values(self, desk: Desk, pathway: Pathway) -> Values:
        """What the fields hold before anybody has typed, as text."""
        return {name: _text(value) for name, value in self.initial(desk, pathway).items()}

    def read(self, values: Values) -> AnyCommand:
        """The command that the fields say. Raises ValidationError; see `faults`."""
        said: dict[str, Any] = {name: _iso(value) for name, value in values.items() if value}
        if self.part:
            reason = said.pop(CORRECTION, None)
            said = {self.part: said, **({} if reason is None else {"reason": reason})}
        command: AnyCommand = self.shape.model_validate(said)  # type: ignore[assignment]
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


async def typed(request: Request) -> Values:
    """The form's fields as they were typed, without spaces around; files and the token are nothing to us."""
    form = await request.form()
    return {
        name: value.strip()
        for name, value in form.items()
        if isinstance(value, str) and name not in ("csrf", "version")
    }


async def seen_version(request: Request) -> int:
    """The version that the form was made from; 0, which no pathway has, when the field was tampered with."""
    value = (await request.form()).get("version")
    return int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value, re.ASCII) else 0


def _code(kind: str) -> str:
    if kind == "missing":
        return "needed"
    return "not-a-day" if kind.startswith("date") else "not-valid"


def _iso(value: str) -> str:
    """Browsers send a day as 2026-03-05; where there is no picker, people type 5.3.2026."""
    found = FINNISH_DAY.fullmatch(value)
    return f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}" if found else value


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
