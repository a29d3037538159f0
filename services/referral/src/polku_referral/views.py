"""A referral as its reader sees it: a sender the own ids and the receipt, staff the commands."""

from polku_referral.model.referral import COMMANDS, Referral
from polku_referral.wire import LinkOut, ReferralOut, StepOut
from polku_runtime.access import Principal

BASE = "/referral/api/v1/referrals"


def referral(
    shown: Referral, who: Principal, *, receipt: str | None = None, reason_text: str | None = None
) -> ReferralOut:
    """commands: what this reader may do now; links: where."""
    commands = list(COMMANDS[shown.state]) if who.has_role("coordinator", "manager") else []
    address = f"{BASE}/{shown.id}"
    links = {"self": LinkOut(href=address)}
    links |= {name: LinkOut(href=f"{address}/{name}", method="POST") for name in commands}
    return ReferralOut(
        **shown.model_dump(
            include={
                "id", "external_id", "case_code", "programme", "route", "service", "state", "version",
                "referred_on", "received_at", "answer_due", "reason", "accepted_on", "outcome", "concluded_on",
            }
        ),
        reason_text=reason_text,
        receipt=receipt,
        history=[StepOut(kind=step.kind, at=step.at) for step in shown.history],
        commands=commands,
        links=links,
    )  # fmt: skip
