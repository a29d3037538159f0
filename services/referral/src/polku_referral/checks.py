"""What a body must keep beyond its form: known codes, an identity code that can exist, sensible days."""

from collections.abc import Iterator
from datetime import date

from polku_events.refusals import Wrong, refuse_if
from polku_referral.model.identity import IdentityCode, Which, age_on, holds_code, parse
from polku_referral.model.person import OLDEST
from polku_referral.wire import ReferralIn
from polku_web.codes import Codes


def checked(body: ReferralIn, codes: Codes, which: Which, today: date) -> IdentityCode | None:
    """The identity code if one was sent. Raises Refused with every field that is wrong, not only the first."""
    wrong = list(_codes(body, codes, today))
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
    return identity


def _codes(body: ReferralIn, codes: Codes, today: date) -> Iterator[Wrong]:
    named = [
        ("programme", "programme", body.programme),
        ("route", "route", body.route),
        ("service", "service", body.service),
        ("urgency", "urgency", body.urgency),
        ("person/language", "language", body.person.language),
        ("ground/basis", "basis", body.ground.basis),
        ("labour_market/status", "labour_market_status", body.labour_market.status),
        *((f"reason/goals/{place}", "goal", goal) for place, goal in enumerate(body.reason.goals)),
    ]
    for field, name, code in named:
        if not codes.allows(name, code, today):
            yield Wrong(field, "unknown-code")
