"""What a sender's system says and hears: the body of a referral (public-surface §4) and the answer to it.

The texts under the fields stand in the OpenAPI document.
"""

import re
from datetime import date, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from polku_referral.fields import Code, Day, Email, LongText, Phone, Strict, Text, formed
from polku_referral.model.code_map import OwnCode
from polku_referral.model.referral import Party, State
from polku_web.i18n import msg

EXTERNAL_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$")
ExternalId = Annotated[
    str,
    formed(
        EXTERNAL_ID.pattern,
        "string-pattern-mismatch",
        msg("Use 1 to 100 letters A–Z, digits and . _ : / - only, beginning with a letter or digit."),
    ),
    StringConstraints(pattern=EXTERNAL_ID.pattern),
]

KNOWN_BY_NOTHING = msg("Give an identity code or a date of birth.")


class PersonIn(Strict):
    """Whom it is about. Needs an identity code or a date of birth."""

    identity_code: str | None = Field(None, max_length=20, examples=["010594Y9032"])
    """Finnish personal identity code; artificial ones (900–999) in a test."""
    date_of_birth: Day | None = None
    """Where there is no identity code; beside one it must be the same day."""
    given_names: Text
    """Kept as given, without spaces around."""
    family_name: Text
    """Kept as given, without spaces around."""
    language: Code = "fi"
    """In which the person is spoken to: code of the list `language`."""
    municipality: OwnCode | None = Field(None, examples=["205"])
    """Of residence: three digits, or as the map of the sender's organisation spells it."""
    phone: Phone | None = None
    """Digits, spaces, `+`, `-` and brackets."""
    email: Email | None = None
    """Where the person reads mail."""
    protected_address: Annotated[bool, Field(strict=True)] = False
    """A non-disclosure order of the population register holds."""

    @model_validator(mode="after")
    def _known_somehow(self) -> "PersonIn":
        if self.identity_code is None and self.date_of_birth is None:
            raise PydanticCustomError("identity-needed", KNOWN_BY_NOTHING.msgid)
        return self


class GroundIn(Strict):
    """On what the hand-over rests."""

    basis: Code
    """Code of the list `basis`."""
    given_on: Day
    """The day of the consent or decision."""
    text: LongText = ""
    """What else is to be known of it."""


class LabourMarketIn(Strict):
    """Where the person stands on the labour market."""

    status: Code
    """Code of the list `labour_market_status`."""
    since: Day | None = None
    """The first day of that."""


class ReasonIn(Strict):
    """Why the person is referred."""

    goals: list[Code] = Field([], max_length=10)
    """Codes of the list `goal`."""
    text: LongText = ""
    """In the words of the worker."""


class SenderIn(Strict):
    """The worker whom the project calls."""

    # Not a person in the vault's sense, but kept with the referral's notes all the same.
    unit: Text
    """Where the worker works."""
    name: Text
    """The worker's name."""
    phone: Phone | None = None
    """Digits, spaces, `+`, `-` and brackets."""
    email: Email | None = None
    """The worker's mail."""


class ReferralIn(Strict):
    """One referral as a sender's system pushes it."""

    external_id: ExternalId
    """The sender's own id of it, unique in its organisation; it holds no identity code. Letters A–Z, digits and
    `. _ : / -` alone.
    """
    programme: Code
    """To which programme: code of the list `programme`."""
    route: OwnCode = Field(examples=["employment-service"])
    """Through which service the person comes: code of the list `route`, or the sender's own where it has a map."""
    service: OwnCode = Field(examples=["work-activity"])
    """What is asked for: code of the list `service`, or the sender's own where it has a map."""
    referred_on: Day
    """The day on which the sender decided to refer; not in the future."""
    person: PersonIn
    ground: GroundIn
    labour_market: LabourMarketIn
    reason: ReasonIn
    urgency: Code = "normal"
    """Code of the list `urgency`."""
    sender: SenderIn


Trial = Literal[
    "accept", "decline", "ask", "waitlist", "forward", "map-codes", "confirm-withdrawal", "expire", "conclude"
]
"""By what a client that only tries plays the project's part, and time's, on its own test referrals."""


def growing(*values: str) -> Any:
    """A text of these values today. No `enum`: a client made from the document must bear one that is added."""
    return Field(examples=[values[0]], json_schema_extra={"x-extensible-enum": list(values)})


class Said(BaseModel):
    """What the service answers with."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class LinkOut(Said):
    """Where one goes on."""

    href: str
    """Relative to the origin."""
    method: Literal["GET", "POST"] = "GET"
    """By which method."""


class StepOut(Said):
    """One line of the history."""

    kind: str
    """What happened: code of the list `step`."""
    at: datetime
    """When."""
    party: Party
    """Who did it."""
    by: str | None = None
    """Which of its people or machines, for the project's eyes only."""


class MessageOut(Said):
    """What one side wrote to the other."""

    kind: Annotated[
        str, growing("question", "answer", "decline", "waitlist", "forward", "withdraw", "request-withdrawal")
    ]
    """With which command it was written."""
    at: datetime
    """When."""
    party: Party
    """Who wrote it."""
    text: str
    """What was written."""


class ReferralOut(Said):
    """Where a referral stands."""

    id: str
    """Ours; in every address of the referral."""
    external_id: str | None
    """The sender's own id."""
    case_code: str
    """What people call the person's case on the telephone; it says nothing of who it is."""
    programme: str
    """Code of the list `programme`."""
    route: str
    """Code of the list `route`; `unknown` while nobody knows what the sender's own code stands for."""
    service: str
    """Code of the list `service`; `unknown` as in `route`."""
    state: Annotated[str, growing(*get_args(State))]
    """received, question, waitlisted, accepted, withdrawal-requested, declined, forwarded, withdrawn, expired,
    concluded. One that you do not know: look at `commands`.
    """
    version: int
    """Counts what happened, from 1; `ETag` holds the same, and commands take it in `If-Match`."""
    urgency: str
    """Code of the list `urgency`."""
    referred_on: date
    """As the sender said."""
    received_at: datetime
    """When it was taken in."""
    answer_due: date
    """The day by which the project answers."""
    sender_due: date | None = None
    """The day by which the sender answers a question."""
    review_on: date | None = None
    """The day on which the project looks again at one that waits for a place."""
    accepted_on: date | None = None
    """The day of the acceptance, where the agreement lets it go back."""
    starts_on: date | None = None
    """The day that was agreed for beginning, where the agreement lets it go back."""
    forwarded_to: str | None = None
    """Code of the organisation that it was given on to."""
    reason: str | None = None
    """Of a refusal or a withdrawal: code of the list `decline_reason` or `withdraw_reason`."""
    reason_text: str | None = None
    """The words that went with a refusal; where `messages` are."""
    outcome: str | None = None
    """How the pathway ended: code of the list `outcome`, where the agreement lets it go back."""
    concluded_on: date | None = None
    """The day on which it ended."""
    mapped: dict[str, str] = {}
    """The sender's own code by field, where it was read as the value that this field has here."""
    unmapped: dict[str, str] = {}
    """The sender's own code by field, where nobody knows yet what it stands for."""
    test: bool = False
    """Sent to try out an integration: nobody sees or counts it."""
    receipt: str | None = None
    """A JWS, in the answer to its sender's POST and GET of this one referral; null in lists and after commands."""
    messages: list[MessageOut] | None = None
    """What both sides wrote, in the answer to a GET of this one referral; null in lists and after commands."""
    history: list[StepOut]
    """A line per version, the oldest first."""
    commands: list[str]
    """What the reader may do now."""
    links: dict[str, LinkOut]
    """`self`, and an address for each of `commands`."""


class DryRunOut(Said):
    """All was validated, nothing was kept."""

    dry_run: Literal[True] = True
    """Tells this answer from that to a referral that was kept."""
    valid: Literal[True] = True
    """What is not valid gets a problem."""
    exists: bool
    """The very same was sent before."""
    mapped: dict[str, str] = {}
    """As in the answer to a referral."""
    unmapped: dict[str, str] = {}
    """As in the answer to a referral."""


class ReferralList(Said):
    """One page."""

    items: list[ReferralOut]
    """Those of this page."""
    next: str | None
    """The cursor of the next page, for `after`; null on the last."""


class NamesOut(BaseModel):
    """Names by person id; one that the reader may not see, or that is erased, is not there."""

    names: dict[str, str]
