"""A referral as its reader sees it: a sender the receipt and the own commands, the project its commands and who."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import get_args

from polku_referral.model.referral import SENDER_COMMANDS, Referral, commands_of
from polku_referral.wire import LinkOut, MessageOut, ReferralOut, StepOut, Trial
from polku_runtime.access import Principal

BASE = "/referral/api/v1/referrals"
PROJECT = ("coordinator", "manager")
HELD_BACK: Mapping[str, tuple[str, ...]] = {
    "outcome": ("outcome",),
    "start-day": ("accepted_on", "starts_on"),
    "reason": ("reason", "forwarded_to"),
}
"""What the agreement with a sender may keep from it, as in its feed (model/telling.py): the fields here."""
REASONS = ("decline", "forward")
"""Messages that tell the reason in words."""


def referral(
    shown: Referral,
    who: Principal,
    *,
    receipt: str | None = None,
    messages: Sequence[MessageOut] = (),
    own: Mapping[str, str] | None = None,
) -> ReferralOut:
    """commands: what this reader may do now; links: where. own: the sender's own codes of the way back, by field."""
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
                "forwarded_to", "reason", "outcome", "concluded_on", "unmapped", "test",
            }
        ),
        mapped={**shown.mapped, **(own or {})},
        reason_text=next((message.text for message in messages if message.kind == "decline"), None),
        receipt=receipt,
        messages=list(messages) or None,
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


def told(shown: Referral, returns: AbstractSet[str]) -> Referral:
    """Without what the agreement keeps from the sender. returns: keys of HELD_BACK that go back."""
    kept = {field: None for key, fields in HELD_BACK.items() if key not in returns for field in fields}
    return shown.model_copy(update=kept)
