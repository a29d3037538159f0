"""A person and what the sender told, opened for one reader: what a GET of `…/person` answers with.

No part has all of its members always: what is erased is empty, and what was never told is not there.
"""

from datetime import date

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict  # pydantic asks for this one below Python 3.12


class IdentityOut(TypedDict, total=False):
    """Who it is; empty when erased. date_of_birth: of the identity code, where there is one."""

    identity_code: str | None
    date_of_birth: date | None
    given_names: str
    family_name: str
    language: str


class ContactOut(TypedDict, total=False):
    """How the person is reached, with the sender's corrections. municipality: three digits, or the sender's own words
    while nobody knows what they stand for. own_municipality: those words, known or not. protected_address: some
    sender has told of a non-disclosure order.
    """

    municipality: str | None
    own_municipality: str
    phone: str | None
    email: str | None
    protected_address: bool


class NamedOut(TypedDict, total=False):
    """The person as this referral names it; language: code of the list `language`."""

    given_names: str
    family_name: str
    language: str


class GroundOut(TypedDict, total=False):
    """On what the hand-over rests. basis: code of the list `basis`."""

    basis: str
    given_on: date
    text: str


class LabourMarketOut(TypedDict, total=False):
    """status: code of the list `labour_market_status`; since: its first day."""

    status: str
    since: date | None


class ReasonOut(TypedDict, total=False):
    """Why the person is referred. goals: codes of the list `goal`."""

    goals: list[str]
    text: str


class WorkerOut(TypedDict, total=False):
    """The sender's worker, whom the project calls."""

    unit: str
    name: str
    phone: str | None
    email: str | None


class NotesOut(TypedDict, total=False):
    """What the sender told in this referral; empty when erased. contact, person: as it was sent, uncorrected."""

    ground: GroundOut
    labour_market: LabourMarketOut
    reason: ReasonOut
    sender: WorkerOut
    contact: ContactOut
    person: NamedOut


class PersonOut(BaseModel):
    """A person and what the sender told. Every look is a row in the audit trail."""

    model_config = ConfigDict(hide_input_in_errors=True)

    person_id: str
    identity: IdentityOut
    contact: ContactOut
    notes: NotesOut
