"""Of what the bodies that machines send are made: days, texts, codes; and what they have in common."""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

from polku_web.i18n import Message, msg

ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def _only_iso(value: object) -> object:
    # Pydantic would also take seconds since 1970 for a day, as a number and as text.
    if type(value) is date or (isinstance(value, str) and ISO_DAY.fullmatch(value)):
        return value
    raise PydanticCustomError("date_type", "This must be a day, YYYY-MM-DD.")


def formed(pattern: str, code: str, otherwise: Message) -> BeforeValidator:
    """Says what is wanted of a text that is not of this form; `StringConstraints` beside it tell the document."""

    def check(value: object) -> object:
        if isinstance(value, str) and re.fullmatch(pattern, value) is None:
            raise PydanticCustomError(code, otherwise.msgid)
        return value

    return BeforeValidator(check)


Day = Annotated[date, BeforeValidator(_only_iso)]
# No control characters, and none that turn the direction of what follows: a name must read as it is written.
_TURNING = r"\u202A-\u202E\u2066-\u2069"
PLAIN = rf"^[^\u0000-\u001F\u007F-\u009F{_TURNING}]*$"
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=PLAIN)]
LongText = Annotated[
    str,
    StringConstraints(max_length=4000, pattern=rf"^[^\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F{_TURNING}]*$"),
]
_CODE, _PHONE = r"^[a-z0-9][a-z0-9-]{0,39}$", r"^[+0-9() -]{4,30}$"
Code = Annotated[
    str,
    # What cannot be a code is one that nobody knows: there is nothing else to say about it.
    formed(_CODE, "unknown-code", msg("This is not one of the known values.")),
    StringConstraints(pattern=_CODE),
]
Phone = Annotated[
    str,
    formed(_PHONE, "string-pattern-mismatch", msg("Use 4 to 30 digits, spaces and + - ( ) only.")),
    StringConstraints(pattern=_PHONE),
]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]{1,100}@[^@\s]{1,100}$", max_length=200)]


def no_defaults(schema: dict[str, Any]) -> None:
    """`json_schema_extra` of a body whose left-out fields stay as they are.

    With a default in the document a client made from it would send what nobody meant.
    """
    for part in schema["properties"].values():
        part.pop("default", None)


class Strict(BaseModel):
    """Unknown fields are refused: a misspelt field must not be lost in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)
