"""What an organisation's own codes stand for, and what happens with one that nobody knows."""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from polku_events.refusals import Wrong
from polku_referral.model.identity import holds_code
from polku_referral.model.referral import UNKNOWN

_TURNING = r"\u202A-\u202E\u2066-\u2069"
OwnCode = Annotated[
    str, StringConstraints(min_length=1, max_length=60, pattern=rf"^[^\u0000-\u001F\u007F-\u009F{_TURNING}]*$")
]
"""A code as another system spells it: short, and read as it is written."""
Ours = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Municipality = Annotated[str, StringConstraints(pattern=r"^[0-9]{3}$")]
CODED = ("route", "service")
"""Fields of a referral in which a sender may use codes of its own."""
TOLD = ("decline_reason", "outcome")
"""Code lists of the way back: the sender hears its own code beside ours."""
MOST = 500


class CodeMap(BaseModel):
    """Own code → Polku's, per field. municipality: → the three digits of Statistics Finland's list.

    decline_reason, outcome: the way back; of several own codes for one of ours the first is told.
    unknown: `refuse` a referral with a code that is neither here nor Polku's, or `keep` it for the receiver to repair.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    unknown: Literal["refuse", "keep"] = "refuse"
    route: Annotated[Mapping[OwnCode, Ours], Field(max_length=MOST)] = {}
    service: Annotated[Mapping[OwnCode, Ours], Field(max_length=MOST)] = {}
    municipality: Annotated[Mapping[OwnCode, Municipality], Field(max_length=MOST)] = {}
    decline_reason: Annotated[Mapping[OwnCode, Ours], Field(max_length=MOST)] = {}
    outcome: Annotated[Mapping[OwnCode, Ours], Field(max_length=MOST)] = {}


class Read(NamedTuple):
    """What a referral's codes stand for. values: Polku's, by field. mapped, unmapped: the sender's own, by field."""

    values: Mapping[str, str]
    mapped: Mapping[str, str]
    unmapped: Mapping[str, str]
    wrong: tuple[Wrong, ...]


def read(sent: Mapping[str, str], code_map: CodeMap | None, knows: Callable[[str, str], bool]) -> Read:
    """sent: what the sender wrote in the fields CODED. knows: tells whether a code of a field is one of Polku's.

    The sender's map goes first: what it calls `training` may be something else than ours.
    """
    values, mapped, unmapped, wrong = {}, {}, {}, []
    for field, code in sent.items():
        own: Mapping[str, str] = getattr(code_map, field) if code_map else {}
        if code in own and knows(field, own[code]):
            values[field], mapped[field] = own[code], code
        elif knows(field, code):
            values[field] = code
        elif code_map is None or code_map.unknown == "refuse":
            wrong.append(Wrong(field, "unknown-code"))
        elif holds_code(code):
            wrong.append(Wrong(field, "looks-like-identity-code"))
        else:
            values[field], unmapped[field] = UNKNOWN, code
    return Read(values, mapped, unmapped, tuple(wrong))


def is_own(municipality: str | None) -> bool:
    """True for anything but the three digits of Statistics Finland's list: that is the sender's own way to say it."""
    return municipality is not None and not (
        len(municipality) == 3 and municipality.isascii() and municipality.isdigit()
    )


def read_municipality(sent: str, code_map: CodeMap | None) -> str | None:
    """The municipality's three digits, or the sender's own text where its map says `keep`; None: not to be read."""
    if code_map is not None and sent in code_map.municipality:
        return code_map.municipality[sent]
    is_kept = code_map is not None and code_map.unknown == "keep" and not holds_code(sent)
    return sent if not is_own(sent) or is_kept else None


def own_code(code_map: CodeMap | None, codes: str, code: str | None) -> str | None:
    """What the sender calls one of our codes, if its map says. codes: a list of TOLD."""
    own: Mapping[str, str] = getattr(code_map, codes) if code_map else {}
    return next((name for name, ours in own.items() if ours == code), None)
