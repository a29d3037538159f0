"""What a sender says in resources, as the body of a referral that the JSON door takes.

Each value keeps the place that it came from, so that whatever is wrong is told at the sender's own element.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from polku_referral.fhir import codes
from polku_referral.fhir.codes import Own
from polku_referral.fhir.message import Message, unpacked
from polku_referral.fhir.models import faults
from polku_referral.fhir.parts import Part
from polku_referral.wire import ReferralIn
from polku_web.formats import local_day
from polku_web.problems import Error, Problem, from_validation

MAX_ERRORS = 100
SENT_STATUSES = ("requested", "received")
"""What a Task may say on its way here, by either profile."""


@dataclass
class Told:
    """A referral as it was read. places: pointer into the body of the JSON door → pointer into the resources."""

    body: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def put(self, pointer: str, value: Any, place: str) -> None:
        """Keeps a value and its place; of an absent one the place where it is missed."""
        self.places[f"/{pointer}"] = place
        *way, last = pointer.split("/")
        inner = self.body
        for name in way:
            inner = inner.setdefault(name, {})
        if value is not None:
            inner[last] = value

    def placed(self, error: Error) -> Error:
        """The same error at the element that it is about, or at the nearest one around it."""
        if error.where != "body":
            return error
        parts = error.pointer.split("/")
        around = ("/".join(parts[:length]) for length in range(len(parts), 1, -1))
        place = next((self.places[pointer] for pointer in around if pointer in self.places), "")
        return Error(place, error.code, error.message)


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
        raise Problem(422, "invalid", errors=errors[:MAX_ERRORS])
    return referral, told


def _order(order: Part, message: Message, told: Told, own: Own, organisation_id: str) -> None:
    _must_be(order, "status", ("active",), message)
    _must_be(order, "intent", ("order",), message)
    told.put("external_id", *_external_id(order, message, own.referrals(organisation_id)))
    for name in ("programme", "route"):
        told.put(name, *_coded(order.parts("category"), own.codes(name), order.place("category")))
    told.put("service", *_service(order, own))
    told.put("referred_on", _day(order.take("authoredOn")), order.place("authoredOn"))
    told.put("urgency", _urgency(order.take("priority")), order.place("priority"))
    _labour_market(order, told, own)
    _reason(order, told, own)
    _sender(message.follow(order.part("requester"), "Organization"), order, told)
    patient = message.follow(order.part("subject"), "Patient")
    _person(patient, order, told, message, own)
    _ground(order, patient, told, message, own)
    task = message.only("Task")
    if task is not None:
        _task(task, message)


def _task(task: Part, message: Message) -> None:
    """The order to fulfil what the ServiceRequest asks for: nothing in it says more."""
    _must_be(task, "status", SENT_STATUSES, message)
    _must_be(task, "intent", ("order",), message)
    message.follow(task.part("focus"), "ServiceRequest")
    message.follow(task.part("for"), "Patient")
    message.follow(task.part("requester"), "Organization")
    task.pass_over("code", "priority", "authoredOn", "lastModified", "owner")


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
    value, place = _coded([concept] if concept else [], own.codes("service"), order.place("code"))
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


def _sender(organization: Part | None, order: Part, told: Told) -> None:
    told.places["/sender"] = order.place("requester")
    if organization is None:
        return
    told.put("sender/unit", organization.take("name"), organization.place("name"))
    organization.pass_over("active", "type")
    contact = next(iter(organization.parts("contact")), None)
    told.places["/sender/name"] = organization.place("contact")
    if contact is None:
        return
    name = contact.part("name")
    if name is not None:
        told.put("sender/name", name.take("text"), name.place("text"))
    _telecom(contact, "sender", told)


def _person(patient: Part | None, order: Part, told: Told, message: Message, own: Own) -> None:
    told.places["/person"] = order.place("subject")
    if patient is None:
        return
    told.places["/person"] = patient.at
    identifier = patient.first("identifier", system=codes.IDENTITY_CODE)
    if identifier is not None:
        told.put("person/identity_code", identifier.take("value"), identifier.place("value"))
    told.put("person/date_of_birth", patient.take("birthDate"), patient.place("birthDate"))
    name = next(iter(patient.parts("name")), None)
    told.places["/person/given_names"] = told.places["/person/family_name"] = patient.place("name")
    if name is not None:
        told.put("person/given_names", _joined(name.take("given")), name.place("given"))
        told.put("person/family_name", name.take("family"), name.place("family"))
    told.put("person/language", *_language(patient, own))
    _telecom(patient, "person", told)
    for extension in patient.parts("extension"):
        coding = extension.part("valueCoding")
        if coding is not None and coding.value.get("system") == codes.MUNICIPALITIES:
            extension.pass_over("url")  # the base profile's address has changed between drafts; the system has not
            coding.pass_over("system")
            told.put("person/municipality", coding.take("code"), coding.place("code"))
    _protection(patient, told, message)


def _protection(patient: Part, told: Told, message: Message) -> None:
    meta = patient.part("meta")
    label = meta.first("security", system=codes.CONFIDENTIALITY) if meta is not None else None
    if label is None:
        return
    code = label.take("code")
    if isinstance(code, str) and code in codes.PROTECTED:
        told.put("person/protected_address", codes.PROTECTED[code], label.place("code"))
    else:
        message.wrong(label.place("code"), "unknown-code")


def _language(patient: Part, own: Own) -> tuple[Any, str]:
    spoken = next(iter(patient.parts("communication")), None)
    concept = spoken.part("language") if spoken is not None else None
    if spoken is None or concept is None:
        return None, patient.place("communication")
    spoken.pass_over("preferred")
    value, place = _coded([concept], codes.LANGUAGES, concept.at)
    if isinstance(value, str):
        return value.partition("-")[0], place
    return _coded([concept], own.codes("language"), concept.at) if value is None else (value, place)


def _ground(order: Part, patient: Part | None, told: Told, message: Message, own: Own) -> None:
    told.places["/ground"] = order.place("supportingInfo")
    consent = message.follow(next(iter(order.parts("supportingInfo")), None), "Consent")
    if consent is None:
        return
    _must_be(consent, "status", ("active",), message)
    consent.pass_over("scope", "category")
    subject = message.follow(consent.part("patient"), "Patient")
    if subject is not None and subject is not patient:
        message.wrong(consent.place("patient"), "unknown-reference")
    rule = consent.part("policyRule")
    told.put("ground/basis", *_coded([rule] if rule else [], own.codes("basis"), consent.place("policyRule")))
    told.put("ground/given_on", _day(consent.take("dateTime")), consent.place("dateTime"))
    text = consent.first("extension", url=own.extension("ground-text"))
    if text is not None:
        told.put("ground/text", text.take("valueString"), text.place("valueString"))


def _telecom(part: Part, whose: str, told: Told) -> None:
    for name in ("phone", "email"):
        found = part.first("telecom", system=name)
        if found is not None:
            told.put(f"{whose}/{name}", found.take("value"), found.place("value"))


def _coded(concepts: list[Part], system: str, otherwise: str) -> tuple[Any, str]:
    """The code that one of the concepts has in a system, and its place; else where it is missed."""
    for concept in concepts:
        coding = concept.coding(system)
        if coding is not None:
            return coding.value.get("code"), coding.place("code")
    return None, otherwise


def _must_be(part: Part, name: str, allowed: tuple[str, ...], message: Message) -> None:
    value = part.take(name)
    if isinstance(value, str) and value not in allowed:
        message.wrong(part.place(name), "unknown-code")


def _joined(given: Any) -> Any:
    """All given names in one line; what is no list of names stays as it is, for the model to judge."""
    if not isinstance(given, list):
        return given
    strange = [name for name in given if not isinstance(name, str)]
    return strange[0] if strange else " ".join(given) if given else None


def _day(value: Any) -> Any:
    """A dateTime with a time of day is the day in Finland; anything else stays as it is."""
    if not isinstance(value, str) or "T" not in value:
        return value
    try:
        moment = datetime.fromisoformat(value)
        return local_day(moment).isoformat() if moment.tzinfo is not None else value
    except (ValueError, OverflowError):
        return value
