"""Code lists: what a code means in three languages, and whether it may still be used."""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict


class Code(BaseModel):
    """One code with its labels. until: the last day on which it may be used for something new."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str | int
    fi: str
    sv: str
    en: str
    until: date | None = None

    def label(self, lang: str) -> str:
        return str(getattr(self, lang))


class CodeLists:
    """All code lists of the service, by name; immutable."""

    def __init__(self, lists: Mapping[str, tuple[Code, ...]]) -> None:
        self._lists = MappingProxyType(
            {name: MappingProxyType({code.code: code for code in codes}) for name, codes in lists.items()}
        )

    def allows(self, name: str, code: object, on: date) -> bool:
        """True when the code is in the list and in use on the day."""
        found = self._lists[name].get(code)  # type: ignore[call-overload]
        return found is not None and (found.until is None or on <= found.until)

    def usable(self, name: str, on: date) -> list[Code]:
        """The codes to choose from on a day, in the list's order."""
        return [code for code in self._lists[name].values() if self.allows(name, code.code, on)]

    def label(self, name: str, code: object, lang: str) -> str:
        """The label; an unknown code (from a newer sender) is shown as it is."""
        found = self._lists[name].get(code)  # type: ignore[call-overload]
        return str(code) if found is None else found.label(lang)

    def as_data(self, on: date) -> dict[str, list[dict[str, object]]]:
        """Every list with the codes usable on a day, as plain data."""
        return {name: [code.model_dump(exclude={"until"}) for code in self.usable(name, on)] for name in self._lists}
