"""A referral as it was read from resources, each value with the place that it came from."""

from dataclasses import dataclass, field
from typing import Any

from polku_web.problems import Error


@dataclass
class Told:
    """A referral as it was read. places: pointer into the body of the JSON door → pointer into the resources."""

    body: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def put(self, pointer: str, value: Any, place: str) -> None:
        """Keeps a value and its place; of an absent one the place where it is missed."""
        self.places[f"/{pointer}"] = place
        *way, last = pointer.split("/")
        inner = self.body
        for name in way:
            inner = inner.setdefault(name, {})
        if value is not None:
            inner[last] = value

    def placed(self, error: Error) -> Error:
        """The same error at the element that it is about, or at the nearest one around it."""
        if error.where != "body":
            return error
        parts = error.pointer.split("/")
        around = ("/".join(parts[:length]) for length in range(len(parts), 1, -1))
        place = next((self.places[pointer] for pointer in around if pointer in self.places), "")
        return Error(place, error.code, error.message)
