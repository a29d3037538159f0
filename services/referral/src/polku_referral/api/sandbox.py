"""The project's part, and time's, played by a client that only tries, on its own test referrals.

So the developer of a sender's system can walk the whole loop alone. For anybody else these addresses are not there.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path
from pydantic import ValidationError

from polku_events.refusals import Wrong, refuse_if
from polku_referral import answering
from polku_referral.api.commands import COMMAND, Case, case_of, done
from polku_referral.api.referrals import BASE
from polku_referral.desk import Desk
from polku_referral.fields import Code, Strict
from polku_referral.model import clocks
from polku_referral.model import referral as domain
from polku_referral.model.referral import Referral
from polku_referral.wire import ReferralOut, Trial
from polku_referral.wishes import AcceptIn, AskIn, DeclineIn, ForwardIn, MapCodesIn, NothingIn, WaitlistIn
from polku_runtime.access import Principal
from polku_web.doors import staff_or_client
from polku_web.problems import Problem, from_validation

router = APIRouter(prefix=BASE, tags=["sandbox"])


class ConcludeIn(Strict):
    """The pathway has ended."""

    outcome: Code = "work"
    """Code of the list `outcome`."""


async def expire(desk: Desk, who: Principal, referral_id: str, seen: int, wish: NothingIn) -> Referral:
    """As if nobody had answered until the last day."""
    del wish
    before = await answering.present(desk, who, referral_id, seen)
    decided = clocks.expire(before, on=desk.today, at=desk.effects.now())
    return await answering.saved(desk, who, before, decided)


async def conclude(desk: Desk, who: Principal, referral_id: str, seen: int, wish: ConcludeIn) -> Referral:
    """As if the pathway had ended."""
    before = await answering.present(desk, who, referral_id, seen)
    if not desk.codes.allows("outcome", wish.outcome, desk.today):
        refuse_if([Wrong("outcome", "unknown-code")])
    decided = domain.conclude(before, outcome=wish.outcome, on=desk.today, at=desk.effects.now())
    return await answering.saved(desk, who, before, decided)


Play = Callable[[Desk, Principal, str, int, Any], Awaitable[Referral]]
PLAYS: Mapping[Trial, tuple[type[Strict], Play]] = {
    "accept": (AcceptIn, answering.accept),
    "decline": (DeclineIn, answering.decline),
    "ask": (AskIn, answering.ask),
    "waitlist": (WaitlistIn, answering.waitlist),
    "forward": (ForwardIn, answering.forward),
    "map-codes": (MapCodesIn, answering.map_codes),
    "confirm-withdrawal": (NothingIn, answering.confirm_withdrawal),
    "expire": (NothingIn, expire),
    "conclude": (ConcludeIn, conclude),
}


async def _trying(who: Annotated[Principal, Depends(staff_or_client())]) -> Principal:
    if not (who.test and who.has_scope("referrals:write")):
        raise Problem(404, "not-found")
    return who


@router.post("/referrals/{referral_id}/sandbox/{command}", responses=COMMAND)
async def play(
    case: Annotated[Case, Depends(case_of(_trying))],
    command: Annotated[Trial, Path(description="What the project, or time, does")],
    wish: Annotated[dict[str, Any] | None, Body(description="As the project's command takes it")] = None,
) -> ReferralOut:
    """Does to a test referral what the project's staff would do, or what time does (`expire`, `conclude`)."""
    kind, perform = PLAYS[command]
    try:
        understood = kind.model_validate(wish or {})
    except ValidationError as error:
        raise from_validation(error.errors(include_input=False, include_url=False)) from None
    return await done(case, perform, understood)
