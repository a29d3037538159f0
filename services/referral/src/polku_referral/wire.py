"""What a sender's system says and hears: the body of a referral (public-surface §4) and the answer to it."""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from polku_referral.model.code_map import OwnCode
from polku_referral.model.referral import Party
from polku_web.i18n import msg

ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def _only_iso(value: object) -> object:
    # Pydantic would also take seconds since 1970 for a day, as a number and as text.
    if type(value) is date or (isinstance(value, str) and ISO_DAY.fullmatch(value)):
        return value
    raise PydanticCustomError("date_type", "This must be a day, YYYY-MM-DD.")


Day = Annotated[date, BeforeValidator(_only_iso)]
# No control characters, and none that turn the direction of what follows: a name must read as it is written.
_TURNING = r"\u202A-\u202E\u2066-\u2069"
Text = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=rf"^[^\u0000-\u001F\u007F-\u009F{_TURNING}]*$"
    ),
]
LongText = Annotated[
    str,
    StringConstraints(max_length=4000, pattern=rf"^[^\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F{_TURNING}]*$"),
]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
EXTERNAL_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$")
ExternalId = Annotated[str, StringConstraints(pattern=EXTERNAL_ID.pattern)]
Phone = Annotated[str, StringConstraints(pattern=r"^[+0-9() -]{4,30}$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]{1,100}@[^@\s]{1,100}$", max_length=200)]

KNOWN_BY_NOTHING = msg("Give an identity code or a date of birth.")


class Strict(BaseModel):
    """Unknown fields are refused: a misspelt field must not be lost in silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PersonIn(Strict):
    """Either identity_code or date_of_birth. Names are kept as given, without spaces around.

    municipality: three digits, or as the map of the sender's organisation spells it.
    """

    identity_code: str | None = Field(None, max_length=20, examples=["010594Y9032"])
    date_of_birth: Day | None = None
    given_names: Text
    family_name: Text
    language: Code = "fi"
    municipality: OwnCode | None = Field(None, examples=["205"])
    phone: Phone | None = None
    email: Email | None = None
    protected_address: Annotated[bool, Field(strict=True)] = False

    @model_validator(mode="after")
    def _known_somehow(self) -> "PersonIn":
        if self.identity_code is None and self.date_of_birth is None:
            raise PydanticCustomError("identity-needed", KNOWN_BY_NOTHING.msgid)
        return self


class GroundIn(Strict):
    """On what the hand-over rests."""

    basis: Code
    given_on: Day
    text: LongText = ""


class LabourMarketIn(Strict):
    status: Code
    since: Day | None = None


class ReasonIn(Strict):
    goals: Annotated[list[Code], Field(max_length=10)] = []
    text: LongText = ""


class SenderIn(Strict):
    """The worker to call. Not a person in the vault's sense, but kept with the referral's notes all the same."""

    unit: Text
    name: Text
    phone: Phone | None = None
    email: Email | None = None


class ReferralIn(Strict):
    """One referral as a sender's system pushes it.

    route, service: Polku's codes, or the sender's own where its organisation has a map of them.
    """

    external_id: ExternalId
    programme: Code
    route: OwnCode = Field(examples=["employment-service"])
    service: OwnCode = Field(examples=["work-activity"])
    referred_on: Day
    person: PersonIn
    ground: GroundIn
    labour_market: LabourMarketIn
    reason: ReasonIn
    urgency: Code = "normal"
    sender: SenderIn


Trial = Literal[
    "accept", "decline", "ask", "waitlist", "forward", "map-codes", "confirm-withdrawal", "expire", "conclude"
]
"""By what a client that only tries plays the project's part, and time's, on its own test referrals."""


class LinkOut(BaseModel):
    href: str
    method: Literal["GET", "POST"] = "GET"


class StepOut(BaseModel):
    """One line of the history. party: who did it. by: which of its people or machines, for the project's eyes only."""

    kind: str
    at: datetime
    party: Party
    by: str | None = None


class MessageOut(BaseModel):
    """What one side wrote to the other. kind: question, answer, decline, waitlist, forward, withdraw or
    request-withdrawal.
    """

    kind: str
    at: datetime
    party: Party
    text: str


class ReferralOut(BaseModel):
    """Where a referral stands. receipt: only for its sender. commands: what the reader may do now; links: where.

    answer_due: the day by which the project answers; sender_due: by which the sender answers a question; review_on:
    when the project looks again at one that waits for a place. forwarded_to: code of the partner. mapped, unmapped:
    field → the sender's own code, which stands for the value of that field, or for nothing known yet (`unknown`).
    messages: in the answer to a GET of one referral, when anything was written. test: sent to try out an integration.
    """

    id: str
    external_id: str | None
    case_code: str
    programme: str
    route: str
    service: str
    state: str
    version: int
    urgency: str
    referred_on: date
    received_at: datetime
    answer_due: date
    sender_due: date | None = None
    review_on: date | None = None
    accepted_on: date | None = None
    starts_on: date | None = None
    forwarded_to: str | None = None
    reason: str | None = None
    reason_text: str | None = None
    outcome: str | None = None
    concluded_on: date | None = None
    mapped: dict[str, str] = {}
    unmapped: dict[str, str] = {}
    test: bool = False
    receipt: str | None = None
    messages: list[MessageOut] | None = None
    history: list[StepOut]
    commands: list[str]
    links: dict[str, LinkOut]


class DryRunOut(BaseModel):
    """All was validated, nothing was kept. exists: the external id is known already. Codes as in ReferralOut."""

    dry_run: Literal[True] = True
    valid: Literal[True] = True
    exists: bool
    mapped: dict[str, str] = {}
    unmapped: dict[str, str] = {}


class ReferralList(BaseModel):
    items: list[ReferralOut]
    next: str | None


class NamesOut(BaseModel):
    """Names by person id; one that the reader may not see, or that is erased, is not there."""

    names: dict[str, str]


class PersonOut(BaseModel):
    """A person and what the sender told, opened for one reader and written down in the audit trail."""

    person_id: str
    identity: dict[str, Any]
    contact: dict[str, Any]
    notes: dict[str, Any]
