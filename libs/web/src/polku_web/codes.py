"""Code lists with labels in three languages and validity, from a service's `data/codes.yaml`, read once at start."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StrictInt, TypeAdapter


class Code(BaseModel):
    """One code with its labels and the days on which it may be used. A number where the list is of numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str | StrictInt
    fi: str
    sv: str
    en: str
    since: date | None = Field(None, alias="from")
    until: date | None = None

    def usable(self, day: date) -> bool:
        return (self.since or day) <= day <= (self.until or day)

    def label(self, lang: str) -> str:
        text: str = {"fi": self.fi, "sv": self.sv, "en": self.en}[lang]
        return text


class Codes:
    """The lists of one service. Raises ValueError for a code that stands twice or can never be used, or is a number
    among texts.
    """

    def __init__(self, lists: Mapping[str, Sequence[Code]]) -> None:
        self.lists: dict[str, dict[Any, Code]] = {
            name: {code.code: code for code in codes} for name, codes in lists.items()
        }
        for name, codes in lists.items():
            if len(self.lists[name]) < len(codes):
                raise ValueError(f"a code stands twice in {name}")
            if any(code.since and code.until and code.since > code.until for code in codes):
                raise ValueError(f"a code of {name} ends before it begins")
            if len({type(code.code) for code in codes}) > 1:  # YAML reads 205 without quotes as a number
                raise ValueError(f"{name} has numbers and texts")

    def allows(self, name: str, code: object, day: date) -> bool:
        found = self.lists[name].get(code)
        return found is not None and found.usable(day)

    def label(self, name: str, code: object, lang: str) -> str:
        """The label of a code, of one out of use too; the code itself when it is unknown; empty for none."""
        if code is None:
            return ""
        found = self.lists[name].get(code)
        return str(code) if found is None else found.label(lang)

    def usable(self, name: str, day: date) -> list[Code]:
        """What may be chosen on a day, in the file's order."""
        return [code for code in self.lists[name].values() if code.usable(day)]

    def options(self, name: str, lang: str, day: date) -> list[tuple[Any, str]]:
        """What a choice offers on a day, in the file's order."""
        return [(code.code, code.label(lang)) for code in self.usable(name, day)]

    def data(self, day: date) -> dict[str, list[dict[str, Any]]]:
        """Every list with the codes usable on a day, as the API says it."""
        return {
            name: [{"code": c.code, "fi": c.fi, "sv": c.sv, "en": c.en} for c in self.usable(name, day)]
            for name in self.lists
        }


@cache
def read_codes(package: str) -> Codes:
    """The lists of `polku_<service>`. Raises ValueError when the file does not hold together."""
    lists = yaml.safe_load(files(package).joinpath("data/codes.yaml").read_text("utf-8"))
    return Codes(_LISTS.validate_python(lists))


_LISTS = TypeAdapter(dict[str, list[Code]])
