"""Code lists with labels in three languages and validity, from a service's `data/codes.yaml`, read once at start."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class Code(BaseModel):
    """One code with its labels and the days on which it may be used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
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
    """The lists of one service. Raises ValueError when a code stands twice in a list, or can never be used."""

    def __init__(self, lists: Mapping[str, Sequence[Code]]) -> None:
        self.lists = {name: {code.code: code for code in codes} for name, codes in lists.items()}
        for name, codes in lists.items():
            if len(self.lists[name]) < len(codes):
                raise ValueError(f"a code stands twice in {name}")
            if any(code.since and code.until and code.since > code.until for code in codes):
                raise ValueError(f"a code of {name} ends before it begins")

    def allows(self, name: str, code: str, day: date) -> bool:
        found = self.lists[name].get(code)
        return found is not None and found.usable(day)

    def label(self, name: str, code: str | None, lang: str) -> str:
        """The label of a code, of one out of use too; the code itself when it is unknown; empty for none."""
        found = self.lists[name].get(code or "")
        return found.label(lang) if found else code or ""

    def options(self, name: str, lang: str, day: date) -> list[tuple[str, str]]:
        """What a choice offers on a day, in the file's order."""
        return [(code.code, code.label(lang)) for code in self.lists[name].values() if code.usable(day)]

    def data(self, day: date) -> dict[str, list[dict[str, str]]]:
        """Every list with the codes usable on a day, as the API says it."""
        return {
            name: [{"code": c.code, "fi": c.fi, "sv": c.sv, "en": c.en} for c in codes.values() if c.usable(day)]
            for name, codes in self.lists.items()
        }


@cache
def read_codes(package: str) -> Codes:
    """The lists of `polku_<service>`. Raises ValueError when the file does not hold together."""
    lists = yaml.safe_load(files(package).joinpath("data/codes.yaml").read_text("utf-8"))
    return Codes(_LISTS.validate_python(lists))


_LISTS = TypeAdapter(dict[str, list[Code]])
