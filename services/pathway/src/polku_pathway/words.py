"""Codes, stages and values in the reader's language, as the templates say them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from polku_pathway.desk import Desk
from polku_pathway.model.definition import Definition
from polku_pathway.model.pathway import Pathway
from polku_pathway.texts import FIELDS, GAPS, KINDS
from polku_web import formats
from polku_web.i18n import Message, Texts, msg

LIST_OF = {"reason": "closing_reason"}
"""Fields whose code list has another name than the field."""


@dataclass(frozen=True)
class Words:
    """What templates see as `words`. reader: the staff member who reads."""

    desk: Desk
    texts: Texts
    lang: str
    reader: str

    def code(self, name: str, code: object) -> str:
        """The label of a code; empty for none."""
        return self.desk.catalogue.codes.label(name, code, self.lang)

    def options(self, name: str, only: tuple[str, ...] | None = None) -> list[tuple[str | int, str]]:
        """What a choice offers today, in the list's order."""
        offered = self.desk.catalogue.codes.options(name, self.lang, self.desk.today)
        return [(code, label) for code, label in offered if only is None or code in only]

    def stage(self, pathway: Pathway, code: object) -> str:
        """The label of a stage or an end of the pathway's definition."""
        return self.desk.definition(pathway).labels_of(str(code))[self.lang]

    def steps(self, definition: Definition, pathway: Pathway) -> list[tuple[str, str]]:
        """The stages that the present one leads to, as a choice."""
        return [(step.code, step.labels[self.lang]) for step in definition.steps_from(pathway.stage)]

    def last_day(self, definition: Definition) -> date:
        """The latest day that a form about participation can name."""
        return min(self.desk.today, definition.ends_on)

    def labels(self, labels: Mapping[str, str]) -> str:
        return labels[self.lang]

    def gap(self, field: str) -> str:
        return self.say(GAPS[field])

    def kind(self, kind: str) -> str:
        return self.say(KINDS[kind])

    def field(self, path: str) -> str:
        """`entry.education` → Highest completed education."""
        return self.say(FIELDS[path.rpartition(".")[2]])

    def value(self, path: str, value: object) -> str:
        """A recorded value as people read it; what was not stated says so."""
        name = path.rpartition(".")[2]
        if value is None:
            return self.say(msg("not stated"))
        if isinstance(value, bool):
            return self.say(msg("yes") if value else msg("no"))
        if name.endswith("_on") or name == "since":
            return formats.day(value if isinstance(value, date | str) else None, self.lang)
        return self.code(LIST_OF.get(name, name), value)

    def who(self, staff_id: str | None) -> str:
        """Who did it. Colleagues' names live elsewhere; the end of their id tells two of them apart."""
        if staff_id is None:
            return self.say(msg("Polku, automatically"))
        if staff_id == self.reader:
            return self.say(msg("you"))
        return self.say(msg("colleague %(mark)s", mark=staff_id[-4:]))

    def say(self, message: Message) -> str:
        return self.texts.say(self.lang, message)
