"""What the project says to a referral: found under the caller's rights, decided, saved. API, pages and trials share it.

Every command takes the version that was seen. It raises Problem 404, LostRace with the present state, or Refused.
"""

from collections.abc import Mapping
from datetime import date, timedelta

from polku_events.refusals import Wrong, refuse_if
from polku_referral.desk import Desk
from polku_referral.model import answers
from polku_referral.model.referral import Decided, Referral, commands_of, own_codes
from polku_referral.repository import Kept, scope_of
from polku_referral.wishes import AcceptIn, AskIn, DeclineIn, ForwardIn, MapCodesIn, NothingIn, WaitlistIn
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace

FARTHEST = timedelta(days=366)
"""A day farther away is a slip of the pen."""


async def accept(desk: Desk, who: Principal, referral_id: str, seen: int, wish: AcceptIn) -> Referral:
    """The project takes the person in."""
    before = await present(desk, who, referral_id, seen)
    on = wish.accepted_on or desk.today
    wrong = [Wrong("accepted_on", "in-future")] if on > desk.today else []
    wrong += [
        Wrong(field, "before-referral")
        for field, day in (("accepted_on", on), ("starts_on", wish.starts_on))
        if day is not None and day < before.referred_on
    ]
    wrong += _not_far(desk, "starts_on", wish.starts_on)
    coordinator = wish.coordinator_id or who.id
    # A trial joins nobody's case-load: its machine plays the project as well.
    if not before.test and coordinator not in {one.id for one in await desk.directory.coordinators(before.programme)}:
        wrong.append(Wrong("coordinator_id", "not-a-coordinator"))
    refuse_if(wrong)
    decided = answers.accept(
        before,
        coordinator_id=who.id if before.test else coordinator,
        on=on,
        starts_on=wish.starts_on,
        at=desk.effects.now(),
        by=who.id,
    )
    return await saved(desk, who, before, decided)


async def decline(desk: Desk, who: Principal, referral_id: str, seen: int, wish: DeclineIn) -> Referral:
    """The project does not take the person in. The text goes to the sender alone."""
    before = await present(desk, who, referral_id, seen)
    refuse_if(reasoned(desk, "decline_reason", wish.reason, wish.text))
    decided = answers.decline(before, reason=wish.reason, on=desk.today, at=desk.effects.now(), by=who.id)
    return await saved(desk, who, before, decided, wish.text)


async def ask(desk: Desk, who: Principal, referral_id: str, seen: int, wish: AskIn) -> Referral:
    """The project asks its sender something first."""
    before = await present(desk, who, referral_id, seen)
    due, expires_on = desk.terms.for_question(before.route, desk.today)
    if wish.sender_due is not None:
        refuse_if(_ahead(desk, "sender_due", wish.sender_due))
        due, expires_on = wish.sender_due, desk.terms.expires_on(before.route, wish.sender_due)
    decided = answers.ask(
        before, on=desk.today, sender_due=due, expires_on=expires_on, at=desk.effects.now(), by=who.id
    )
    return await saved(desk, who, before, decided, wish.text)


async def waitlist(desk: Desk, who: Principal, referral_id: str, seen: int, wish: WaitlistIn) -> Referral:
    """There is no room now; the project looks again on a day."""
    before = await present(desk, who, referral_id, seen)
    refuse_if(_ahead(desk, "review_on", wish.review_on))
    expires_on = desk.terms.expires_on(before.route, wish.review_on)
    decided = answers.waitlist(
        before, review_on=wish.review_on, expires_on=expires_on, at=desk.effects.now(), by=who.id
    )
    return await saved(desk, who, before, decided, wish.text)


async def forward(desk: Desk, who: Principal, referral_id: str, seen: int, wish: ForwardIn) -> Referral:
    """The project gives the referral on to another organisation than the one that it came from."""
    before = await present(desk, who, referral_id, seen)
    partner = await desk.directory.organisation(wish.partner)
    is_back = partner is not None and partner.id == before.organisation_id and not before.test
    if partner is None or not partner.active or is_back:
        refuse_if([Wrong("partner", "unknown-code")])
    decided = answers.forward(before, partner=wish.partner, on=desk.today, at=desk.effects.now(), by=who.id)
    return await saved(desk, who, before, decided, wish.text)


async def confirm_withdrawal(
    desk: Desk, who: Principal, referral_id: str, seen: int, wish: NothingIn | None = None
) -> Referral:
    """The project gives an accepted referral back, as its sender has asked."""
    del wish
    before = await present(desk, who, referral_id, seen)
    decided = answers.confirm_withdrawal(before, on=desk.today, at=desk.effects.now(), by=who.id)
    return await saved(desk, who, before, decided)


async def map_codes(desk: Desk, who: Principal, referral_id: str, seen: int, wish: MapCodesIn) -> Referral:
    """What the sender's own codes stand for; until all are known the referral cannot be accepted.

    The municipality is the person's: it is in no event, and what it stands for is sealed as it is itself.
    """
    kept = await _present(desk, who, referral_id, seen)
    before, said = kept.referral, wish.model_dump(exclude_none=True)
    own = [*own_codes(before), *(["municipality"] if before.own_municipality else [])]
    needed = before.unmapped or (() if said else own)
    known: Mapping[str, str] = {field: said[field] for field in said if field != "municipality"}
    if "map-codes" in commands_of(before):  # else the state is in the way, not a field
        refuse_if(
            [
                *(Wrong(field, "needed") for field in needed if field not in said),
                *(Wrong(field, "not-unmapped") for field in said if field not in own),
                *(Wrong(f, "unknown-code") for f, c in known.items() if not desk.codes.allows(f, c, desk.today)),
            ]
        )
    after, events = answers.map_codes(before, known=known, at=desk.effects.now(), by=who.id)
    sealed = await desk.sealed_municipality(kept, wish.municipality) if wish.municipality else {}
    return await desk.repository.save(before, after, events, scope_of(who), sealed)


def reasoned(desk: Desk, reasons: str, reason: str, text: str) -> list[Wrong]:
    """What is wrong with a coded reason and its text. reasons: the name of the code list."""
    wrong = [] if desk.codes.allows(reasons, reason, desk.today) else [Wrong("reason", "unknown-code")]
    if reason == "other" and not text.strip():
        wrong.append(Wrong("text", "needed"))
    return wrong


def _ahead(desk: Desk, field: str, day: date) -> list[Wrong]:
    return [Wrong(field, "in-past")] if day <= desk.today else _not_far(desk, field, day)


def _not_far(desk: Desk, field: str, day: date | None) -> list[Wrong]:
    return [Wrong(field, "too-far-away")] if day is not None and day > desk.today + FARTHEST else []


async def present(desk: Desk, who: Principal, referral_id: str, seen: int) -> Referral:
    """The referral in the version that was seen."""
    return (await _present(desk, who, referral_id, seen)).referral


async def _present(desk: Desk, who: Principal, referral_id: str, seen: int) -> Kept:
    found = await desk.find(who, referral_id)
    if found.referral.version != seen:
        raise LostRace(found.referral)
    return found


async def saved(desk: Desk, who: Principal, before: Referral, decided: Decided, text: str = "") -> Referral:
    """Keeps what was decided, and seals the text beside it."""
    after, events = decided
    return await desk.repository.save(before, after, events, scope_of(who), await desk.sealed_message(after, text))
