"""Commands over HTTP: the project's answers, and what a sender does afterwards.

All take the version that was seen in `If-Match`: without it 428; when somebody was faster 409 with the present state.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from starlette.requests import Request

from polku_referral import answering, sending
from polku_referral.api.referrals import BASE, AtDesk, Coordinator, refusals, shown
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
from polku_web.doors import expected_version, staff_or_client
from polku_web.problems import ProblemBody

COMMAND: dict[int | str, dict[str, Any]] = {
    428: {"description": "If-Match with the version that was seen is missing", "model": ProblemBody}
}
router = APIRouter(prefix=f"{BASE}/referrals/{{referral_id}}", tags=["referrals"], responses=COMMAND)

Own = Annotated[Principal, Depends(staff_or_client(roles=("referrer",), scopes=("referrals:write",)))]
"""Its sender: a machine, or somebody of the organisation that it came from."""


# -- the project ------------------------------------------------------------------------------------------


@router.post("/accept")
async def accept(
    request: Request, response: Response, who: Coordinator, desk: AtDesk, referral_id: str, wish: AcceptIn
) -> ReferralOut:
    """The project takes the person in; a pathway opens by itself."""
    async with refusals(who, desk):
        after = await answering.accept(desk, who, referral_id, expected_version(request), wish)
    return await shown(response, who, desk, after)


@router.post("/decline")
async def decline(
    request: Request, response: Response, who: Coordinator, desk: AtDesk, referral_id: str, wish: DeclineIn
) -> ReferralOut:
    """The project does not take the person in; the sender hears the reason and the text."""
    async with refusals(who, desk):
        after = await answering.decline(desk, who, referral_id, expected_version(request), wish)
    return await shown(response, who, desk, after)


@router.post("/ask")
async def ask(
    request: Request, response: Response, who: Coordinator, desk: AtDesk, referral_id: str, wish: AskIn
) -> ReferralOut:
    """The project asks the sender something before it answers."""
    async with refusals(who, desk):
        after = await answering.ask(desk, who, referral_id, expected_version(request), wish)
    return await shown(response, who, desk, after)


@router.post("/waitlist")
async def waitlist(
    request: Request, response: Response, who: Coordinator, desk: AtDesk, referral_id: str, wish: WaitlistIn
) -> ReferralOut:
    """There is no room now; the project looks again on a day."""
    async with refusals(who, desk):
        after = await answering.waitlist(desk, who, referral_id, expected_version(request), wish)
    return await shown(response, who, desk, after)


@router.post("/forward")
async def forward(
    request: Request, response: Response, who: Coordinator, desk: AtDesk, referral_id: str, wish: ForwardIn
) -> ReferralOut:
    """The project gives the referral on to another organisation; the sender hears to which."""
    async with refusals(who, desk):
        after = await answering.forward(desk, who, referral_id, expected_version(request), wish)
    return await shown(response, who, desk, after)


@router.post("/confirm-withdrawal")
async def confirm_withdrawal(
    request: Request,
    response: Response,
    who: Coordinator,
    desk: AtDesk,
    referral_id: str,
    wish: NothingIn | None = None,
) -> ReferralOut:
    """The project gives an accepted referral back, as its sender has asked."""
    async with refusals(who, desk):
        after = await answering.confirm_withdrawal(desk, who, referral_id, expected_version(request), wish)
    return await shown(response, who, desk, after)


@router.post("/map-codes")
async def map_codes(
    request: Request, response: Response, who: Coordinator, desk: AtDesk, referral_id: str, wish: MapCodesIn
) -> ReferralOut:
    """What the sender's own codes that nobody knew stand for. Until then the referral cannot be accepted."""
    async with refusals(who, desk):
        after = await answering.map_codes(desk, who, referral_id, expected_version(request), wish)
    return await shown(response, who, desk, after)


# -- its sender -------------------------------------------------------------------------------------------


@router.post("/withdraw")
async def withdraw(
    request: Request, response: Response, who: Own, desk: AtDesk, referral_id: str, wish: WithdrawIn
) -> ReferralOut:
    """The sender takes the referral back before it is answered. Repeating is safe, with the same `If-Match`."""
    async with refusals(who, desk):
        after = await sending.withdraw(desk, who, referral_id, expected_version(request), wish)
    return await shown(response, who, desk, after)


@router.post("/request-withdrawal")
async def request_withdrawal(
    request: Request, response: Response, who: Own, desk: AtDesk, referral_id: str, wish: WithdrawIn
) -> ReferralOut:
    """The sender wants an accepted referral back; the project confirms it. Repeating is safe, as `withdraw`."""
    async with refusals(who, desk):
        after = await sending.request_withdrawal(desk, who, referral_id, expected_version(request), wish)
    return await shown(response, who, desk, after)


@router.post("/answer")
async def answer(
    request: Request, response: Response, who: Own, desk: AtDesk, referral_id: str, wish: AnswerIn
) -> ReferralOut:
    """The sender answers the project's question, which stands in `messages`. Repeating is safe, as `withdraw`."""
    async with refusals(who, desk):
        after = await sending.answer(desk, who, referral_id, expected_version(request), wish)
    return await shown(response, who, desk, after)


@router.post("/correct-contact")
async def correct_contact(
    request: Request, response: Response, who: Own, desk: AtDesk, referral_id: str, wish: CorrectContactIn
) -> ReferralOut:
    """The sender corrects how the person is reached, until the referral is answered. Repeating is safe."""
    async with refusals(who, desk):
        after = await sending.correct_contact(desk, who, referral_id, expected_version(request), wish)
    return await shown(response, who, desk, after)
