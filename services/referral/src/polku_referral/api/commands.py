"""Commands over HTTP: the project's answers, and what a sender does afterwards.

All take the version that was seen in `If-Match`: without it 428; when somebody was faster, or the state does not allow
it, 409 with the present state.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Response
from starlette.requests import Request

from polku_events.refusals import Refused
from polku_referral import answering, sending
from polku_referral.api.referrals import BASE, AtDesk, ReferralId, refusals, shown
from polku_referral.desk import Desk
from polku_referral.model.referral import Referral
from polku_referral.repository import scope_of
from polku_referral.texts import as_problem
from polku_referral.views import PROJECT
from polku_referral.wire import ReferralOut
from polku_referral.wishes import (
    AcceptIn,
    AnswerIn,
    AskIn,
    CorrectContactIn,
    DeclineIn,
    ForwardIn,
    MapCodesIn,
    NothingIn,
    WaitlistIn,
    WithdrawIn,
)
from polku_runtime.access import Principal
from polku_web.doors import Dependency, expected_version, staff, staff_or_client
from polku_web.problems import ProblemBody

COMMAND: dict[int | str, dict[str, Any]] = {
    428: {"description": "If-Match with the version that was seen is missing", "model": ProblemBody}
}
router = APIRouter(prefix=f"{BASE}/referrals/{{referral_id}}", tags=["referrals"], responses=COMMAND)

Wish = TypeVar("Wish")


@dataclass(frozen=True)
class Case:
    """One command on its way: who wants it of which referral, and the answer to fill."""

    who: Principal
    desk: Desk
    referral_id: str
    request: Request
    response: Response


def case_of(door: Dependency) -> Callable[..., Awaitable[Case]]:
    """A dependency: the case of whoever passes the door."""

    async def case(
        who: Annotated[Principal, Depends(door)],
        desk: AtDesk,
        referral_id: ReferralId,
        request: Request,
        response: Response,
    ) -> Case:
        return Case(who, desk, referral_id, request, response)

    return case


async def done(
    case: Case, perform: Callable[[Desk, Principal, str, int, Wish], Awaitable[Referral]], wish: Wish
) -> ReferralOut:
    """Carries out a command on the version that was seen, and shows what came of it. Raises Problem."""
    who, desk = case.who, case.desk
    async with refusals(who, desk):
        try:
            after = await perform(desk, who, case.referral_id, expected_version(case.request), wish)
        except Refused as refused:
            problem = as_problem(refused)
            present = await desk.repository.get(case.referral_id, scope_of(who)) if problem.status == 409 else None
            if present is not None:
                problem.more["present"] = (await desk.shown(who, present.referral)).model_dump(mode="json")
            raise problem from None
    return await shown(case.response, who, desk, after)


ByProject = Annotated[Case, Depends(case_of(staff(*PROJECT)))]
BySender = Annotated[Case, Depends(case_of(staff_or_client(roles=("referrer",), scopes=("referrals:write",))))]
"""By the referral's sender: a machine, or somebody of the organisation that it came from."""


# -- the project ------------------------------------------------------------------------------------------


@router.post("/accept")
async def accept(case: ByProject, wish: AcceptIn) -> ReferralOut:
    """The project takes the person in; a pathway opens by itself."""
    return await done(case, answering.accept, wish)


@router.post("/decline")
async def decline(case: ByProject, wish: DeclineIn) -> ReferralOut:
    """The project does not take the person in; the sender hears the reason and the text."""
    return await done(case, answering.decline, wish)


@router.post("/ask")
async def ask(case: ByProject, wish: AskIn) -> ReferralOut:
    """The project asks the sender something before it answers."""
    return await done(case, answering.ask, wish)


@router.post("/waitlist")
async def waitlist(case: ByProject, wish: WaitlistIn) -> ReferralOut:
    """There is no room now; the project looks again on a day."""
    return await done(case, answering.waitlist, wish)


@router.post("/forward")
async def forward(case: ByProject, wish: ForwardIn) -> ReferralOut:
    """The project gives the referral on to another organisation; the sender hears to which."""
    return await done(case, answering.forward, wish)


@router.post("/confirm-withdrawal")
async def confirm_withdrawal(case: ByProject, wish: NothingIn | None = None) -> ReferralOut:
    """The project gives an accepted referral back, as its sender has asked."""
    return await done(case, answering.confirm_withdrawal, wish)


@router.post("/map-codes")
async def map_codes(case: ByProject, wish: MapCodesIn) -> ReferralOut:
    """What the sender's own codes that nobody knew stand for. Until then the referral cannot be accepted."""
    return await done(case, answering.map_codes, wish)


# -- its sender -------------------------------------------------------------------------------------------


@router.post("/withdraw")
async def withdraw(case: BySender, wish: WithdrawIn) -> ReferralOut:
    """The sender takes the referral back before it is answered. Repeating is safe, with the same `If-Match`."""
    return await done(case, sending.withdraw, wish)


@router.post("/request-withdrawal")
async def request_withdrawal(case: BySender, wish: WithdrawIn) -> ReferralOut:
    """The sender wants an accepted referral back; the project confirms it. Repeating is safe, as `withdraw`."""
    return await done(case, sending.request_withdrawal, wish)


@router.post("/answer")
async def answer(case: BySender, wish: AnswerIn) -> ReferralOut:
    """The sender answers the project's question, which stands in `messages`. Repeating is safe, as `withdraw`."""
    return await done(case, sending.answer, wish)


@router.post("/correct-contact")
async def correct_contact(case: BySender, wish: CorrectContactIn) -> ReferralOut:
    """The sender corrects how the person is reached, until the referral is answered. Repeating is safe."""
    return await done(case, sending.correct_contact, wish)
