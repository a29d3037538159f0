"""What its sender may do with a referral afterwards, through any door.

Every command takes the version that was seen. It raises Problem 404, LostRace with the present state, or Refused.
A repeat is safe (docs/decisions/0012): the very same command, by the same caller, on the version that it had already
moved on, answers with the present state and changes nothing.
"""

from collections.abc import Awaitable, Callable

from bson import Binary

from polku_events.refusals import Wrong, refuse_if
from polku_referral.answering import reasoned
from polku_referral.desk import Desk
from polku_referral.fields import Strict
from polku_referral.model import sending
from polku_referral.model.code_map import is_own, read_municipality
from polku_referral.model.referral import Decided, Referral
from polku_referral.repository import Kept, sender_scope_of
from polku_referral.wishes import AnswerIn, CorrectContactIn, WithdrawIn
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace

Decision = Callable[[Kept], Awaitable[tuple[Decided, dict[str, Binary]]]]
"""What comes of a command on a referral as it is, and what is sealed beside it."""


async def withdraw(desk: Desk, who: Principal, referral_id: str, seen: int, wish: WithdrawIn) -> Referral:
    """The sender takes back a referral that was not answered yet."""
    return await _take_back(desk, who, referral_id, seen, wish, "withdraw", sending.withdraw)


async def request_withdrawal(desk: Desk, who: Principal, referral_id: str, seen: int, wish: WithdrawIn) -> Referral:
    """The sender wants an accepted referral back; the project confirms it."""
    return await _take_back(desk, who, referral_id, seen, wish, "request-withdrawal", sending.request_withdrawal)


async def answer(desk: Desk, who: Principal, referral_id: str, seen: int, wish: AnswerIn) -> Referral:
    """The sender answers the project's question; the project's time begins anew."""

    async def decide(kept: Kept) -> tuple[Decided, dict[str, Binary]]:
        referral, on, at = kept.referral, desk.today, desk.effects.now()
        due, expires_on = desk.terms.after_answer(referral.route, referral.answer_due, referral.stands_since, on)
        decided = sending.answer(referral, answer_due=due, expires_on=expires_on, on=on, at=at, by=who.id)
        return decided, await desk.sealed_message(decided[0], wish.text)

    return await _once(desk, who, referral_id, seen, "answer", wish, decide)


async def correct_contact(desk: Desk, who: Principal, referral_id: str, seen: int, wish: CorrectContactIn) -> Referral:
    """The sender corrects how the person is reached, before the referral is answered."""

    async def decide(kept: Kept) -> tuple[Decided, dict[str, Binary]]:
        told = wish.model_dump(mode="json", exclude_unset=True)
        if wish.municipality is not None:
            told["municipality"] = read_municipality(
                wish.municipality, await desk.code_maps.of(kept.referral.organisation_id)
            )
            refuse_if([] if told["municipality"] else [Wrong("municipality", "not-valid")])
        own = is_own(told["municipality"]) if "municipality" in told else None
        decided = sending.correct_contact(kept.referral, own_municipality=own, at=desk.effects.now(), by=who.id)
        contact = await desk.corrected_contact(kept) | told
        return decided, {"contact": await desk.seal(kept.referral, f"contact:{kept.referral.id}", contact)}

    return await _once(desk, who, referral_id, seen, "correct-contact", wish, decide)


async def _take_back(
    desk: Desk,
    who: Principal,
    referral_id: str,
    seen: int,
    wish: WithdrawIn,
    command: str,
    rule: Callable[..., Decided],
) -> Referral:
    async def decide(kept: Kept) -> tuple[Decided, dict[str, Binary]]:
        refuse_if(reasoned(desk, "withdraw_reason", wish.reason, wish.text))
        decided = rule(kept.referral, reason=wish.reason, on=desk.today, at=desk.effects.now(), by=who.id)
        return decided, await desk.sealed_message(decided[0], wish.text)

    return await _once(desk, who, referral_id, seen, command, wish, decide)


async def _once(
    desk: Desk, who: Principal, referral_id: str, seen: int, command: str, wish: Strict, decide: Decision
) -> Referral:
    scope = sender_scope_of(who)
    said = desk.master.content(f"{command} {who.id} {wish.model_dump_json(exclude_unset=True)}".encode())
    kept = await desk.find(who, referral_id, scope)
    if kept.referral.version == seen:
        (after, events), sealed = await decide(kept)
        try:
            return await desk.repository.save(kept.referral, after, events, scope, sealed, said)
        except LostRace:
            kept = await desk.find(who, referral_id, scope)  # the same, sent twice at the same moment, may have won
    if kept.said.get(str(seen + 1)) != said:
        raise LostRace(kept.referral)
    return kept.referral
