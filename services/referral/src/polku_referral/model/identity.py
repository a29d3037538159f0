"""The Finnish personal identity code (henkilötunnus): DDMMYYCZZZQ, eleven characters.

Since 2023 the character C is part of the identity: `100190-999P` and `100190Y999P` are two people. It is
never changed, dropped or derived. Nothing about gender is read from a code.
"""

import re
from datetime import date
from typing import Literal, NamedTuple

CENTURIES = {"+": 1800, **dict.fromkeys("-YXWVU", 1900), **dict.fromkeys("ABCDEF", 2000)}
CHECK = "0123456789ABCDEFHJKLMNPRSTUVWXY"
FORM = re.compile(r"(\d{2})(\d{2})(\d{2})([-+YXWVUABCDEF])(\d{3})([0-9A-Y])", re.ASCII)
WITHIN = re.compile(rf"(?<![0-9A-Z]){FORM.pattern}(?![0-9A-Z])", re.ASCII)
LOWEST, ARTIFICIAL = 2, 900

Which = Literal["artificial", "real"]
_RANGES: tuple[Which, ...] = ("artificial", "real")
Fault = Literal["form", "date", "number", "check", "artificial", "not-artificial", "future"]


class IdentityCode(NamedTuple):
    """A code that keeps every rule, and the birth date it states."""

    code: str
    born: date


def parse(text: str, which: Which, today: date) -> IdentityCode | Fault:  # noqa: PLR0911 - one return per rule
    """The code, or what is wrong with it.

    which: `artificial` accepts only individual numbers 900–999, `real` refuses exactly those.
    Lower case, spaces and other spellings are faults of form: a sender's system must say it right.
    """
    found = FORM.fullmatch(text)
    if found is None:
        return "form"
    day, month, year, century, number, check = found.groups()
    try:
        born = date(CENTURIES[century] + int(year), int(month), int(day))
    except ValueError:
        return "date"
    if int(number) < LOWEST:
        return "number"
    if CHECK[int(day + month + year + number) % len(CHECK)] != check:
        return "check"
    if (int(number) >= ARTIFICIAL) != (which == "artificial"):
        return "artificial" if which == "real" else "not-artificial"
    if born > today:
        return "future"
    return IdentityCode(text, born)


def holds_code(text: str) -> bool:
    """True when a code of either range stands somewhere in a text, in capitals or not, as a word of its own.

    A sender's own numbers often look like one (`261120-0001`); only what keeps every rule is taken for one.
    """
    codes = (found[0] for found in WITHIN.finditer(text.upper()))
    return any(isinstance(parse(code, which, date.max), IdentityCode) for code in codes for which in _RANGES)


def age_on(born: date, day: date) -> int:
    """Full years on a day; a person born on 29 February is a year older on 1 March in other years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
