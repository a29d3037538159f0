"""How a rule says no."""

from typing import NamedTuple


class Wrong(NamedTuple):
    """One field that breaks a rule. code: a key of the service's texts."""

    field: str
    code: str

    def inside(self, part: str) -> "Wrong":
        """The same fault of a field of `part`, as `exit/ended_on`."""
        return Wrong(f"{part}/{self.field}", self.code)


class Refused(Exception):
    """The command cannot be carried out on the pathway as it is now.

    code: `invalid` with the fields in `wrong`, else what stands in the way (`closed`, `not-started`, …).
    """

    def __init__(self, code: str, *wrong: Wrong) -> None:
        super().__init__(code)
        self.code = code
        self.wrong = wrong


def refuse_if(wrong: list[Wrong]) -> None:
    """Raises Refused `invalid` when any field is wrong."""
    if wrong:
        raise Refused("invalid", *wrong)
