"""What a sender says in resources, as the body of a referral that the JSON door takes.

Each value keeps the place that it came from, so that whatever is wrong is told at the sender's own element.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from polku_referral.fhir import codes
from polku_referral.fhir.codes import Own
from polku_referral.fhir.message import Message, unpacked
from polku_referral.fhir.models import faults
from polku_referral.fhir.parts import Part, coded
from polku_referral.fhir.people import read_person, read_sender
from polku_referral.fhir.told import Told
from polku_referral.wire import ReferralIn
from polku_web.formats import local_day
from polku_web.problems import Error, Problem, from_validation

SENT_STATUSES = ("requested", "received")
"""What a Task may say on its way here, by either profile."""


def read(sent: Mapping[str, Any], own: Own, organisation_id: str) -> tuple[ReferralIn, Told]:
    """sent: a ServiceRequest with what it contains, or a transaction Bundle; strict JSON already.

    Raises Problem 422 with every element that is wrong, in the JSON door's words wherever both doors know them.
    """
    told = Told()
    message, order = unpacked(sent)
    errors: list[Error] = []
    referral = None
    if order is not None:
        _order(order, message, told, own, organisation_id)
        try:
            referral = ReferralIn.model_validate(told.body)
        except ValidationError as error:
            errors += map(told.placed, from_validation(error.errors()).errors)
    for found in (message.errors, faults(sent), message.left()):
        known = {error.pointer for error in errors}
        errors += [error for error in found if error.pointer not in known]
    if errors or referral is None:
        raise Problem(422, "invalid", errors=errors)
    return referral, told


def _order(order: Part, message: Message, told: Told, own: Own, organisation_id: str) -> None:
    message.must_be(order, "status", "active")
    message.must_be(order, "intent", "order")
    told.put("external_id", *_external_id(order, message, own.referrals(organisation_id)))
    for name in ("programme", "route"):
        told.put(name, *coded(order.parts("category"), own.codes(name), order.place("category")))
    told.put("service", *_service(order, own))
    told.put("referred_on", _day(order.take("authoredOn")), order.place("authoredOn"))
    told.put("urgency", _urgency(order.take("priority")), order.place("priority"))
    _labour_market(order, told, own)
    _reason(order, told, own)
    unit = message.follow(order.part("requester"), "Organization")
    read_sender(unit, order, told, message)
    patient = message.follow(order.part("subject"), "Patient")
    read_person(patient, order, told, message, own)
    _ground(order, patient, told, message, own)
    task = message.only("Task")
    if task is not None:
        _task(task, message)
        message.must_be(task, "priority", order.value.get("priority") or "routine")
        message.same(task.part("for"), "Patient", patient)
        message.same(task.part("requester"), "Organization", unit)


def _task(task: Part, message: Message) -> None:
    """The order to fulfil what the ServiceRequest asks for: nothing in it says more, or anything else."""
    message.must_be(task, "status", *SENT_STATUSES)
    message.must_be(task, "intent", "order")
    code = task.part("code")
    if code is not None:
        kind = code.coding(codes.TASK_CODE)
        if kind is None:
            code.pass_over()
        else:
            message.must_be(kind, "code", "fulfill")
    message.follow(task.part("focus"), "ServiceRequest")
    task.pass_over("authoredOn", "lastModified", "owner")


def _external_id(order: Part, message: Message, system: str) -> tuple[Any, str]:
    identifier = next(iter(order.parts("identifier")), None)
    if identifier is None:
        return None, order.place("identifier")
    if identifier.take("system") not in (None, system):
        message.wrong(identifier.place("system"), "unknown-code")
    return identifier.take("value"), identifier.place("value")


def _urgency(priority: Any) -> Any:
    return codes.PRIORITIES.get(priority, priority) if isinstance(priority, str) else priority


def _service(order: Part, own: Own) -> tuple[Any, str]:
    """Ours, or the first of the sender's own, which its map of codes may know."""
    concept = order.part("code")
    value, place = coded([concept] if concept else [], own.codes("service"), order.place("code"))
    if value is None and concept is not None and concept.parts("coding"):
        coding = concept.parts("coding")[0]
        coding.pass_over()
        return coding.value.get("code"), coding.place("code")
    return value, place


def _labour_market(order: Part, told: Told, own: Own) -> None:
    found = order.first("extension", url=own.extension("labour-market"))
    told.places["/labour_market"] = order.place("extension")
    if found is None:
        return
    told.body["labour_market"] = {}
    told.places["/labour_market"] = found.at
    for name, value in (("status", "valueCode"), ("since", "valueDate")):
        inner = found.first("extension", url=name)
        if inner is not None:
            told.put(f"labour_market/{name}", inner.take(value), inner.place(value))


def _reason(order: Part, told: Told, own: Own) -> None:
    told.body["reason"] = {}
    goals: list[Any] = []
    for concept in order.parts("reasonCode"):
        coding = concept.coding(own.codes("goal"))
        if coding is not None:
            told.places[f"/reason/goals/{len(goals)}"] = coding.place("code")
            goals.append(coding.value.get("code"))
    told.put("reason/goals", goals or None, order.place("reasonCode"))
    note = next(iter(order.parts("note")), None)
    if note is not None:
        told.put("reason/text", note.take("text"), note.place("text"))


def _ground(order: Part, patient: Part | None, told: Told, message: Message, own: Own) -> None:
    told.places["/ground"] = order.place("supportingInfo")
    consent = message.follow(next(iter(order.parts("supportingInfo")), None), "Consent")
    if consent is None:
        return
    message.must_be(consent, "status", "active")
    consent.pass_over("scope", "category")
    message.same(consent.part("patient"), "Patient", patient)
    rule = consent.part("policyRule")
    told.put("ground/basis", *coded([rule] if rule else [], own.codes("basis"), consent.place("policyRule")))
    told.put("ground/given_on", _day(consent.take("dateTime")), consent.place("dateTime"))
    text = consent.first("extension", url=own.extension("ground-text"))
    if text is not None:
        told.put("ground/text", text.take("valueString"), text.place("valueString"))


def _day(value: Any) -> Any:
    """A dateTime with a time of day is the day in Finland; anything else stays as it is."""
    if not isinstance(value, str) or "T" not in value:
        return value
    try:
        moment = datetime.fromisoformat(value)
        return local_day(moment).isoformat() if moment.tzinfo is not None else value
    except (ValueError, OverflowError):
        return value
