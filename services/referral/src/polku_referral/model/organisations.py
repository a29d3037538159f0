"""What an organisation must keep: a business id that can exist, days in order, and who it is said once."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from stdnum.exceptions import ValidationError
from stdnum.fi import ytunnus

from polku_events import EventData
from polku_events.refusals import Refused, Wrong, refuse_if
from polku_referral.model.agreements import FIELDS, Agreement
from polku_referral.model.directory import FHIR_PROFILES, KINDS, Organisation, announce_organisation
from polku_referral.model.telling import RETURNS

MAX_ALIASES = 20

Changed = tuple[Organisation, list[EventData]]


def business_id(text: str) -> str | None:
    """A Finnish business id (Y-tunnus) in the form 1234567-8; None when it cannot be one."""
    try:
        compact = ytunnus.validate(text)
    except ValidationError:
        return None
    return f"{compact[:-1]}-{compact[-1]}"


def described(before: Organisation, said: Mapping[str, Any]) -> Changed:
    """With the new description; what `said` leaves out stays. Raises Refused with every field that is wrong."""
    fresh = dict(said)
    wrong = []
    if fresh.get("business_id"):
        fresh["business_id"] = business_id(fresh["business_id"])
        if fresh["business_id"] is None:
            wrong.append(Wrong("business_id", "business-id"))
    if "aliases" in fresh:
        aliases = (alias.strip() for alias in fresh["aliases"])
        fresh["aliases"] = tuple(dict.fromkeys(alias for alias in aliases if alias))
    after = before.model_copy(update=fresh)
    refuse_if([*wrong, *_wrong(after)])
    return announce_organisation(after)


def agreed(before: Organisation, agreement: Agreement) -> Changed:
    """With one more agreement. Raises Refused when its days are in the wrong order or it returns what there is not."""
    wrong = [Wrong("returns", "unknown-code")] if not RETURNS.keys() >= set(agreement.returns) else []
    if agreement.ends_on is not None and agreement.ends_on < agreement.starts_on:
        wrong.append(Wrong("ends_on", "before-start"))
    refuse_if(wrong)
    return announce_organisation(before.model_copy(update={"agreements": (*before.agreements, agreement)}))


def agreement_ended(before: Organisation, agreement_id: str, ends_on: date) -> Changed:
    """With that agreement's last day; it stays in the list. Raises Refused for a day before its first."""
    found = next((one for one in before.agreements if one.id == agreement_id), None)
    if found is None:
        raise Refused("unknown-agreement")
    if ends_on < found.starts_on:
        raise Refused("invalid", [Wrong("ends_on", "before-start")])
    ended = found.model_copy(update={"ends_on": ends_on})
    agreements = tuple(ended if one.id == agreement_id else one for one in before.agreements)
    return announce_organisation(before.model_copy(update={"agreements": agreements}))


def opened(before: Organisation, *, active: bool) -> Changed | None:
    """It may come in, or no more; None when it is so already."""
    return None if before.active == active else announce_organisation(before.model_copy(update={"active": active}))


def unknown_codes(agreement: Agreement, known: Mapping[str, Iterable[str]]) -> list[Wrong]:
    """The lists of an agreement that name a code which is in no code list."""
    lists = zip(FIELDS, ("programmes", "routes", "services"), strict=True)
    return [
        Wrong(place, "unknown-code") for name, place in lists if not set(getattr(agreement, place)) <= set(known[name])
    ]


def _wrong(organisation: Organisation) -> Iterator[Wrong]:
    if not organisation.name.strip():
        yield Wrong("name", "needed")
    if organisation.kind not in KINDS:
        yield Wrong("kind", "unknown-code")
    if organisation.fhir_profile not in FHIR_PROFILES:
        yield Wrong("fhir_profile", "unknown-code")
    if len(organisation.aliases) > MAX_ALIASES:
        yield Wrong("aliases", "too-many")
    begins, ends = organisation.valid_from, organisation.valid_until
    if begins is not None and ends is not None and ends < begins:
        yield Wrong("valid_until", "before-start")
