"""Whom a referral is about and who sends it: a Patient and an Organization, as the body's `person` and `sender`."""

from typing import Any

from polku_referral.fhir import codes
from polku_referral.fhir.codes import Own
from polku_referral.fhir.message import Message
from polku_referral.fhir.parts import Part, coded
from polku_referral.fhir.told import Told

NAMES = ("official", "usual")
NUMBERS = ("official", "usual", "secondary")
ADDRESSES = ("home", "work", "mobile", "temp")
"""What `use` may say: what is said to be a former name must not be taken for the present one."""


def read_sender(organization: Part | None, order: Part, told: Told, message: Message) -> None:
    """The unit and its worker to call; without an Organization only where it is missed."""
    told.places["/sender"] = order.place("requester")
    if organization is None:
        return
    told.put("sender/unit", organization.take("name"), organization.place("name"))
    organization.pass_over("type")
    _active(organization, message)
    contact = next(iter(organization.parts("contact")), None)
    told.places["/sender/name"] = organization.place("contact")
    if contact is None:
        return
    name = contact.part("name")
    if name is not None:
        told.put("sender/name", name.take("text"), name.place("text"))
    _telecom(contact, "sender", told, message)


def read_person(patient: Part | None, order: Part, told: Told, message: Message, own: Own) -> None:
    """Everything of the Patient that a referral takes; without one only where it is missed."""
    told.places["/person"] = order.place("subject")
    if patient is None:
        return
    told.places["/person"] = patient.at
    identifier = patient.first("identifier", system=codes.IDENTITY_CODE)
    _active(patient, message)
    if identifier is not None:
        message.must_be(identifier, "use", *NUMBERS)
        told.put("person/identity_code", identifier.take("value"), identifier.place("value"))
    told.put("person/date_of_birth", patient.take("birthDate"), patient.place("birthDate"))
    name = next(iter(patient.parts("name")), None)
    told.places["/person/given_names"] = told.places["/person/family_name"] = patient.place("name")
    if name is not None:
        message.must_be(name, "use", *NAMES)
        told.put("person/given_names", _joined(name.take("given")), name.place("given"))
        told.put("person/family_name", name.take("family"), name.place("family"))
    told.put("person/language", *_language(patient, own))
    _telecom(patient, "person", told, message)
    for extension in patient.parts("extension"):
        coding = extension.part("valueCoding")
        if coding is not None and coding.value.get("system") == codes.MUNICIPALITIES:
            extension.pass_over("url")  # the base profile's address has changed between drafts; the system has not
            coding.pass_over("system")
            told.put("person/municipality", coding.take("code"), coding.place("code"))
            break  # a second one is left, and told
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
    value, place = coded([concept], codes.LANGUAGES, concept.at)
    if isinstance(value, str):
        return value.partition("-")[0], place
    return coded([concept], own.codes("language"), concept.at) if value is None else (value, place)


def _active(part: Part, message: Message) -> None:
    """What a register says of its own record; one that is not in use any more is no good source."""
    if part.take("active") is False:
        message.wrong(part.place("active"), "not-valid")


def _telecom(part: Part, whose: str, told: Told, message: Message) -> None:
    for name in ("phone", "email"):
        found = part.first("telecom", system=name)
        if found is not None:
            message.must_be(found, "use", *ADDRESSES)
            told.put(f"{whose}/{name}", found.take("value"), found.place("value"))


def _joined(given: Any) -> Any:
    """All given names in one line; what is no list of names stays as it is, for the model to judge."""
    if not isinstance(given, list):
        return given
    strange = [name for name in given if not isinstance(name, str)]
    return strange[0] if strange else " ".join(given) if given else None
