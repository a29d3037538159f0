"""A referral as its reader sees it: a sender the receipt and the own commands, the project its commands and who."""

from collections.abc import Sequence
from typing import get_args

from polku_referral.desk import Message
from polku_referral.model.referral import SENDER_COMMANDS, Referral, commands_of
from polku_referral.wire import LinkOut, MessageOut, ReferralOut, StepOut, Trial
from polku_runtime.access import Principal

BASE = "/referral/api/v1/referrals"
PROJECT = ("coordinator", "manager")


def referral(
    shown: Referral, who: Principal, *, receipt: str | None = None, messages: Sequence[Message] = ()
) -> ReferralOut:
    """commands: what this reader may do now; links: where."""
    commands, address = commands_for(shown, who), f"{BASE}/{shown.id}"
    links = {"self": LinkOut(href=address)}
    links |= {name: LinkOut(href=f"{address}/{name}", method="POST") for name in commands}
    if shown.test and who.test:
        played = {name: f"{address}/sandbox/{name}" for name in get_args(Trial)}
        links |= {f"sandbox-{name}": LinkOut(href=href, method="POST") for name, href in played.items()}
    is_project = who.has_role(*PROJECT)
    return ReferralOut(
        **shown.model_dump(
            include={
                "id", "external_id", "case_code", "programme", "route", "service", "state", "version", "urgency",
                "referred_on", "received_at", "answer_due", "sender_due", "review_on", "accepted_on", "starts_on",
                "forwarded_to", "reason", "outcome", "concluded_on", "mapped", "unmapped", "test",
            }
        ),
        reason_text=next((message.text for message in messages if message.kind == "decline"), None),
        receipt=receipt,
        messages=[MessageOut(**message._asdict()) for message in messages] or None,
        history=[
            StepOut(kind=step.kind, at=step.at, party=step.party, by=step.by if is_project else None)
            for step in shown.history
        ],
        commands=commands,
        links=links,
    )  # fmt: skip


def commands_for(shown: Referral, who: Principal) -> list[str]:
    """What a caller who may see the referral may do with it now."""
    commands = list(commands_of(shown)) if who.has_role(*PROJECT) else []
    if who.organisation_id == shown.organisation_id and (who.has_scope("referrals:write") or who.has_role("referrer")):
        commands += SENDER_COMMANDS[shown.state]
    return commands
