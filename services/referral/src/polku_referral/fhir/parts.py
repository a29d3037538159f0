"""Reading JSON of a resource so that nothing in it is lost in silence: what nobody took is told in the end."""

from collections.abc import Iterator, Mapping
from typing import Any

from polku_web.problems import pointer

LABELS = frozenset({"resourceType", "id", "text", "language", "display", "use", "userSelected", "version", "rank"})
"""What may stand anywhere and says nothing that is kept: labels, narratives, ids inside one message."""
OF_THE_COPY = ("profile", "versionId", "lastUpdated", "source", "tag")
"""In `meta`: about the sender's own copy of a resource."""


class Part:
    """One object of a body. at: its JSON pointer. all: every part of the body that was looked at.

    Forms are not judged here: what is no object or list where one belongs is nothing, and the models tell it.
    """

    def __init__(self, value: Mapping[str, Any], at: str, everything: list["Part"]) -> None:
        self.value, self.at, self.all = value, at, everything
        self._taken: set[str] = set()
        self._made: dict[str, list[Part]] = {}
        self._odd: list[str] = []
        everything.append(self)

    def take(self, name: str) -> Any:
        self._taken.add(name)
        return self.value.get(name)

    def pass_over(self, *names: str) -> None:
        """Without names, all of it: it repeats what was taken elsewhere."""
        self._taken |= set(names or self.value)

    def place(self, name: str) -> str:
        return f"{self.at}/{name}"

    def part(self, name: str) -> "Part | None":
        if name not in self._made:
            found = self.take(name)
            self._made[name] = self._parts_of([(self.place(name), found)] if found is not None else [])
        return next(iter(self._made[name]), None)

    def parts(self, name: str) -> "list[Part]":
        if name not in self._made:
            found = self.take(name)
            rows = enumerate(found) if isinstance(found, list) else ()
            self._made[name] = self._parts_of([(f"{self.place(name)}/{place}", row) for place, row in rows])
        return self._made[name]

    def first(self, name: str, **where: str) -> "Part | None":
        """The first of a list that has these values; the values are taken."""
        for one in self.parts(name):
            if all(one.value.get(key) == value for key, value in where.items()):
                one.pass_over(*where)
                return one
        return None

    def coding(self, system: str) -> "Part | None":
        """Of a CodeableConcept the coding in a system. Those in other systems say the same in other words."""
        if "coding" not in self.value:
            return None  # words alone are left, and told
        codings = self.parts("coding")
        found = next((coding for coding in codings if coding.value.get("system") == system), None)
        if found is None:
            return None
        for coding in codings:
            if coding is found or coding.value.get("system") != system:
                coding.pass_over()
        return found

    def _parts_of(self, rows: list[tuple[str, Any]]) -> "list[Part]":
        self._odd += [at for at, row in rows if not isinstance(row, dict)]
        return [Part(row, at, self.all) for at, row in rows if isinstance(row, dict)]

    def left(self) -> Iterator[str]:
        """Pointers of what nobody took, or could; the part itself when nothing of it was taken."""
        yield from self._odd
        names = self.value.keys() - LABELS
        if not self._taken:
            yield self.at
            return
        for name in sorted(names - self._taken):
            yield self.at + pointer([name])  # a key may be anything that somebody typed


def coded(concepts: list[Part], system: str, otherwise: str) -> tuple[Any, str]:
    """The code that one of the concepts has in a system, and its place; else where it is missed."""
    for concept in concepts:
        coding = concept.coding(system)
        if coding is not None:
            return coding.value.get("code"), coding.place("code")
    return None, otherwise
