"""Plain forms: what was typed, and texts beside fields."""

import re
from collections.abc import Mapping

from starlette.requests import Request

FINNISH_DAY = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)


class Fields(dict[str, str]):
    """Text by field name; a field that nothing is known of is empty, so that templates need not ask."""

    def __missing__(self, name: str) -> str:
        return ""


async def typed(request: Request) -> Fields:
    """The form's fields as typed, without spaces around; files and the form's own token are left out."""
    form = await request.form()
    return Fields({name: value.strip() for name, value in form.items() if isinstance(value, str) and name != "csrf"})


def seen_version(fields: Fields) -> int:
    """The version that the form was made from; 0, which nothing has, when the field `version` was tampered with."""
    text = fields["version"]
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else 0


async def chosen(request: Request, name: str) -> list[str]:
    """The values of the boxes with this name that were ticked."""
    return [value for value in (await request.form()).getlist(name) if isinstance(value, str)]


def iso_day(text: str) -> str:
    """`5.3.2026` → `2026-03-05`; anything else as it is, for the model to judge."""
    found = FINNISH_DAY.fullmatch(text)
    return f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}" if found else text


def said(fields: Mapping[str, str], *apart: str) -> dict[str, str]:
    """The filled-in fields for a command's model, days in ISO form; `apart` are not the command's."""
    return {name: iso_day(value) for name, value in fields.items() if value and name not in apart}
