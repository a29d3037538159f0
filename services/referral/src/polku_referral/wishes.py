"""What may be asked of a referral that is there: the bodies of the project's and of the sender's commands."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from polku_referral.model.code_map import OwnCode
from polku_referral.wire import Code, Day, Email, LongText, Phone, Strict
from polku_web.i18n import msg

Note = Annotated[LongText, Field(max_length=1000)]
"""What one side writes to the other; it may be left out."""
Words = Annotated[Note, StringConstraints(strip_whitespace=True, min_length=1)]
"""As Note, where nothing goes without words."""
NOTHING_SAID = msg("Say at least one thing that is to be corrected.")


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class NothingIn(Strict):
    """The command says it all."""


class AcceptIn(Strict):
    """coordinator_id: whose case-load; the reader's own when left out. accepted_on: today when left out.
    starts_on: the day that was agreed for beginning.
    """

    accepted_on: Day | None = None
    starts_on: Day | None = None
    coordinator_id: Annotated[str, Field(max_length=64)] | None = None


class DeclineIn(Strict):
    """reason: of the list `decline_reason`; text: for the sender alone, needed when the reason is another."""

    reason: Code
    text: Note = ""


class AskIn(Strict):
    """text: the question. sender_due: the day to answer it by; by the route's terms when left out."""

    text: Words
    sender_due: Day | None = None


class WaitlistIn(Strict):
    """review_on: the day on which the project looks again."""

    review_on: Day
    text: Note = ""


class ForwardIn(Strict):
    """partner: code of an organisation."""

    partner: Code
    text: Note = ""


class MapCodesIn(Strict):
    """What each of the sender's unknown codes stands for; exactly the fields that are unmapped."""

    route: Code | None = None
    service: Code | None = None


class WithdrawIn(Strict):
    """reason: of the list `withdraw_reason`; text: needed when the reason is another."""

    reason: Code
    text: Note = ""


class AnswerIn(Strict):
    """text: the answer to the question."""

    text: Words


class CorrectContactIn(Strict):
    """How the person is reached, as it is now. What is left out stays; null takes it away.

    municipality: as in the referral. protected_address: a non-disclosure order holds; only `false` lifts it.
    """

    phone: Phone | None = None
    email: Email | None = None
    municipality: OwnCode | None = Field(None, examples=["205"])
    # No default in the document: a client made from it would send it, and lift an order that nobody meant.
    protected_address: Annotated[bool, Field(strict=True, json_schema_extra=_without_default)] = False

    @model_validator(mode="after")
    def _says_something(self) -> "CorrectContactIn":
        if not self.model_fields_set:
            raise PydanticCustomError("nothing-said", NOTHING_SAID.msgid)
        return self
