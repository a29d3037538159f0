"""What a body must keep beyond its form: codes that can be read, an identity code that can exist, sensible days."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import NamedTuple

from polku_events.refusals import Wrong, refuse_if
from polku_referral.model.code_map import CODED, CodeMap, read, read_municipality
from polku_referral.model.identity import IdentityCode, Which, age_on, holds_code, parse
from polku_referral.model.person import OLDEST
from polku_referral.wire import ReferralIn
from polku_web.codes import Codes


class Checked(NamedTuple):
    """body: with Polku's codes, whatever the sender calls them. mapped, unmapped: the sender's own codes, by field."""

    body: ReferralIn
    identity: IdentityCode | None
    mapped: Mapping[str, str]
    unmapped: Mapping[str, str]


def checked(body: ReferralIn, codes: Codes, which: Which, today: date, code_map: CodeMap | None = None) -> Checked:
    """What a body says. Raises Refused with every field that is wrong, not only the first.

    code_map: of the sender's organisation; without one, only Polku's codes are codes.
    """
    own = read(
        {field: getattr(body, field) for field in CODED},
        code_map,
        lambda field, code: codes.allows(field, code, today),
    )
    wrong = [*own.wrong, *_codes(body, codes, today)]
    person = body.person
    if person.municipality is not None:
        municipality = read_municipality(person.municipality, code_map)
        if municipality is None:
            wrong.append(Wrong("person/municipality", "not-valid"))
        person = person.model_copy(update={"municipality": municipality})
    wrong += [
        Wrong(field, "in-future")
        for field, day in (
            ("referred_on", body.referred_on),
            ("ground/given_on", body.ground.given_on),
            ("labour_market/since", body.labour_market.since),
            ("person/date_of_birth", body.person.date_of_birth),
        )
        if day is not None and day > today
    ]
    if holds_code(body.external_id):
        # It would travel in addresses and answers of both sides.
        wrong.append(Wrong("external_id", "looks-like-identity-code"))
    identity = None
    if body.person.identity_code is not None:
        found = parse(body.person.identity_code, which, today)
        if isinstance(found, IdentityCode):
            identity = found
        else:
            wrong.append(Wrong("person/identity_code", f"identity-{found}"))
    born = body.person.date_of_birth
    if identity and born not in (None, identity.born):
        wrong.append(Wrong("person/date_of_birth", "not-of-identity-code"))
    if identity and age_on(identity.born, today) > OLDEST:
        wrong.append(Wrong("person/identity_code", "too-long-ago"))
    elif born and age_on(born, today) > OLDEST:
        wrong.append(Wrong("person/date_of_birth", "too-long-ago"))
    refuse_if(wrong)
    understood = body.model_copy(update={**own.values, "person": person})
    return Checked(understood, identity, own.mapped, own.unmapped)


def _codes(body: ReferralIn, codes: Codes, today: date) -> Iterator[Wrong]:
    named = [
        ("programme", "programme", body.programme),
        ("urgency", "urgency", body.urgency),
        ("person/language", "language", body.person.language),
        ("ground/basis", "basis", body.ground.basis),
        ("labour_market/status", "labour_market_status", body.labour_market.status),
        *((f"reason/goals/{place}", "goal", goal) for place, goal in enumerate(body.reason.goals)),
    ]
    for field, name, code in named:
        if not codes.allows(name, code, today):
            yield Wrong(field, "unknown-code")
