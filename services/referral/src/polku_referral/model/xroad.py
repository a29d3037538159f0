"""How X-Road names who calls and what is called (PR-REST 1.0.3 §4.1–4.3, §4.8)."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from polku_referral.model.identity import FORM

PART = re.compile(r"[A-Za-z0-9'()+,\-.=?]{1,100}", re.ASCII)
PARTS = (3, 4)
"""Instance, member class, member code and, mostly, the code of a subsystem."""
ID = re.compile(r"[!-~]{1,200}", re.ASCII)
UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
UNKNOWABLE = "-"
"""Stands for an id that is too long, not of plain characters, or holds somebody's identity code."""


class Message(NamedTuple):
    """What a call says of itself, for the audit trail; nothing here opens any door.

    id: of the message; request_id: of this try of it; user_id, issue: who and what caused it at the sender.
    """

    id: str
    request_id: str
    user_id: str
    issue: str


def member_of(text: str) -> str | None:
    """`FI-TEST/MUN/1234567-8/Subsystem` with each part percent-decoded; None when it is no such name."""
    try:
        parts = [unquote(part, errors="strict") for part in text.split("/")]
    except UnicodeDecodeError:
        return None
    if len(parts) not in PARTS or not all(PART.fullmatch(part) for part in parts):
        return None
    return "/".join(parts)


def message_of(headers: Mapping[str, str]) -> Message:
    """headers: names in lower case. What was not said is empty.

    X-Road does not vouch for the user id; a code of a person in it is not kept.
    """
    return Message(
        id=_kept(headers.get("x-road-id", "")),
        request_id=_kept(headers.get("x-road-request-id", "")),
        user_id=_kept(headers.get("x-road-userid", "")),
        issue=_kept(headers.get("x-road-issue", "")),
    )


def _kept(text: str) -> str:
    # A user id begins with a country's code, FI010594Y9032: there the code of a person is no word of its own.
    # Some senders percent-encode the value as they must the parts of X-Road-Client.
    forms = {text, unquote(text, errors="replace")}
    if UUID.fullmatch(text):
        return text  # as it should be, and by chance one in forty has ten characters like those of a person's code
    if text and (ID.fullmatch(text) is None or any(FORM.search(form.upper()) for form in forms)):
        return UNKNOWABLE
    return text
