"""How a rule of a model says no: the little that models share beside `Aggregate`, without any framework."""

from collections.abc import Sequence
from typing import NamedTuple


class Wrong(NamedTuple):
    """field: a JSON pointer without its first slash. code: what is wrong, as a code."""

    field: str
    code: str

    def inside(self, part: str) -> "Wrong":
        """The same fault of a field of `part`, as `exit/ended_on`."""
        return Wrong(f"{part}/{self.field}", self.code)


class Refused(Exception):
    """A rule says no. `code` is `invalid` with the fields in `wrong`, or names what stands in the way."""

    def __init__(self, code: str, wrong: Sequence[Wrong] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.wrong = tuple(wrong)


def refuse_if(wrong: Sequence[Wrong]) -> None:
    """Raises Refused when anything is wrong."""
    if wrong:
        raise Refused("invalid", wrong)
