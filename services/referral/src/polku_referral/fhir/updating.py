"""What a sender may say by sending a Task back: that it wants the referral back, or the answer to a question."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from polku_referral.fhir import codes
from polku_referral.fhir.codes import Own
from polku_referral.fhir.message import Message
from polku_referral.fhir.models import faults
from polku_referral.fhir.parts import Part
from polku_referral.fhir.told import Told
from polku_referral.texts import WRONG
from polku_referral.wire import ReferralOut
from polku_referral.wishes import AnswerIn, WithdrawIn
from polku_web.i18n import msg
from polku_web.problems import Error, Problem, from_validation, pointer

Wish = WithdrawIn | AnswerIn
CANCELLED = "cancelled"
CANCELLATION_REQUESTED = "5.2"
"""Of BSeR: there the sender does not cancel, it asks for it."""
_SENDERS = ("status", "statusReason", "businessStatus", "input", "note")
"""Elements by which a sender says something; all others are the receiver's."""
_OF_THE_COPY = ("meta", "text", "language", "lastModified")
_LABELS = ("display", "text")
"""In the language of whoever read the Task."""
ONE_ANSWER = msg("One answer at a time, and none in a Task that takes the referral back: its reason is statusReason.")
ONLY = msg("Of a Task its sender may set the status to cancelled, or answer a question.")


def wish_of(sent: Mapping[str, Any], own: Own, shown: ReferralOut, seen: int) -> tuple[Wish | None, Told]:
    """What the Task says that the version which was seen did not; None when it says nothing new.

    sent: strict JSON. Raises Problem 422: it is no Task of R4, or what it says does not hold.
    """
    if errors := faults(sent):
        raise Problem(422, "invalid", errors=errors)
    told, task = Told(), Part(sent, "", Message().parts)
    wants_back, answers = _wants_back(task), _answers(task, own, shown, seen)
    if too_many := answers[0 if wants_back else 1 :]:
        raise Problem(422, "invalid", errors=[Error(place, "extra-forbidden", ONE_ANSWER) for _, place in too_many])
    if wants_back:
        _reason(task, own, told)
        return _judged(WithdrawIn, told), told
    if not answers:
        return None, told
    told.put("text", *answers[0])
    return _judged(AnswerIn, told), told


def refuse_other_changes(sent: Mapping[str, Any], present: Mapping[str, Any]) -> None:
    """present: the Task as it is. Raises Problem 422 when more was changed than a sender may change.

    What is left out stays as it is: a Task need not be sent back whole.
    """
    names = [name for name in sent if name not in _SENDERS + _OF_THE_COPY]
    if not _wants_back(Part(sent, "", [])):
        names += [name for name in ("status", "businessStatus") if name in sent]
    changed = [name for name in names if _plain(sent[name]) != _plain(present.get(name))]
    if changed:
        raise Problem(422, "refused", ONLY, errors=[Error(pointer([name]), "not-yours", ONLY) for name in changed])


def _wants_back(task: Part) -> bool:
    business = task.part("businessStatus")
    coding = business.coding(codes.BSER) if business is not None else None
    asks = coding is not None and coding.value.get("code") == CANCELLATION_REQUESTED
    return asks or task.take("status") == CANCELLED


def _reason(task: Part, own: Own, told: Told) -> None:
    """The reason of our list; one in words alone is another reason."""
    reason, place = task.part("statusReason"), task.place("statusReason")
    told.places["/reason"] = place
    if reason is None:
        return
    words, coding = reason.take("text"), reason.coding(own.codes("withdraw-reason"))
    told.put("text", words, reason.place("text"))
    if coding is not None:
        told.put("reason", coding.value.get("code"), coding.place("code"))
    elif words:
        told.put("reason", "other", place)


def _answers(task: Part, own: Own, shown: ReferralOut, seen: int) -> list[tuple[Any, str]]:
    """Texts that were not there in the version that was seen, each with its place: of inputs, or else of notes.

    Raises Problem 422 for an input that is no answer.
    """
    given = []
    for one in task.parts("input"):
        kind = one.part("type")
        if kind is None or kind.coding(own.codes("task-input")) is None:
            raise Problem(422, "invalid", errors=[Error(one.place("type"), "unknown-code", WRONG["unknown-code"])])
        given.append((one.take("valueString"), one.place("valueString")))
    steps = shown.history[:seen]
    known = {said.text for said in shown.messages or () if steps and said.at <= steps[-1].at}
    notes = [(note.take("text"), note.place("text")) for note in task.parts("note")]
    return given + [(text, place) for text, place in notes if text not in known]


def _judged(model: type[WithdrawIn] | type[AnswerIn], told: Told) -> Wish:
    try:
        return model.model_validate(told.body)
    except ValidationError as error:
        errors = [told.placed(one) for one in from_validation(error.errors()).errors]
        raise Problem(422, "invalid", errors=errors) from None


def _plain(value: Any) -> Any:
    """The same for whatever says the same: labels are left out, an instant is one in any spelling."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items() if name not in _LABELS}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, str) and "T" in value:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return value
    return value
