"""What may be asked of a referral that is there: the bodies of the project's and of the sender's commands."""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from polku_referral.fields import Code, Day, Email, LongText, Phone, Strict, no_defaults
from polku_referral.model.code_map import Municipality, OwnCode
from polku_web.i18n import msg

Note = Annotated[LongText, Field(max_length=1000)]
"""What one side writes to the other; it may be left out."""
Words = Annotated[Note, StringConstraints(strip_whitespace=True, min_length=1)]
"""As Note, where nothing goes without words."""
NOTHING_SAID = msg("Say at least one thing that is to be corrected.")


class NothingIn(Strict):
    """The command says it all."""


class AcceptIn(Strict):
    """The project takes the person in."""

    accepted_on: Day | None = None
    """Today when left out; not in the future."""
    starts_on: Day | None = None
    """The day that was agreed for beginning."""
    coordinator_id: Annotated[str, Field(max_length=64)] | None = None
    """Whose case-load; the reader's own when left out."""


class DeclineIn(Strict):
    """The project does not take the person in."""

    reason: Code
    """Code of the list `decline_reason`."""
    text: Note = ""
    """For the sender alone; needed when the reason is `other`."""


class AskIn(Strict):
    """The project asks."""

    text: Words
    """The question."""
    sender_due: Day | None = None
    """The day to answer it by; by the route's terms when left out."""


class WaitlistIn(Strict):
    """There is no room now."""

    review_on: Day
    """The day on which the project looks again."""
    text: Note = ""
    """For the sender."""


class ForwardIn(Strict):
    """The project gives the referral on."""

    partner: Code
    """Code of an organisation."""
    text: Note = ""
    """For the sender."""


class MapCodesIn(Strict):
    """What the sender's own codes stand for: all that are `unmapped`, and any in `mapped` that is to be another."""

    route: Code | None = None
    """Code of the list `route`."""
    service: Code | None = None
    """Code of the list `service`."""
    municipality: Municipality | None = None
    """Three digits, where the sender told the person's municipality in a way of its own."""


class WithdrawIn(Strict):
    """The sender takes the referral back, or asks for it."""

    reason: Code
    """Code of the list `withdraw_reason`."""
    text: Note = ""
    """For the project; needed when the reason is `other`."""


class AnswerIn(Strict):
    """The sender answers."""

    text: Words
    """The answer to the question."""


class CorrectContactIn(Strict):
    """How the person is reached, as it is now. What is left out stays; null takes it away."""

    model_config = ConfigDict(json_schema_extra=no_defaults)

    phone: Phone | None = None
    """Digits, spaces, `+`, `-` and brackets."""
    email: Email | None = None
    """Where the person reads mail."""
    municipality: OwnCode | None = Field(None, examples=["205"])
    """Three digits, or as the map of the sender's organisation spells it."""
    protected_address: Annotated[bool, Field(strict=True)] = False
    """A non-disclosure order holds; only `false` lifts it."""

    @model_validator(mode="after")
    def _says_something(self) -> "CorrectContactIn":
        if not self.model_fields_set:
            raise PydanticCustomError("nothing-said", NOTHING_SAID.msgid)
        return self
