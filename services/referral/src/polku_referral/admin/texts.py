"""Words of the pages about who may come in."""

from collections.abc import Mapping

from polku_referral.admin.wire import MEMBER_SCOPES as MEMBER_SCOPE_CODES
from polku_web.i18n import Message, msg

KINDS: Mapping[str, Message] = {
    "employment-area": msg("Employment area"),
    "wellbeing-county": msg("Wellbeing services county"),
    "project": msg("Project"),
    "funder": msg("Funder"),
    "employer": msg("Employer"),
    "other": msg("Other"),
}
SCOPES: Mapping[str, Message] = {
    "referrals:write": msg("Sends referrals and takes them back"),
    "referrals:read": msg("Reads its own referrals and their events"),
    "figures:read": msg("Reads the indicators’ figures"),
}
MEMBER_SCOPES = {code: SCOPES[code] for code in MEMBER_SCOPE_CODES}
PROFILES: Mapping[str, Message] = {
    "sdoh": msg("Gravity SDOH (widespread default)"),
    "bser": msg("BSeR (referrals to services outside health care)"),
}
RETURNED: Mapping[str, Message] = {
    "outcome": msg("Outcome of the pathway"),
    "start-day": msg("Day of acceptance and first day"),
    "reason": msg("Reasons of declining, forwarding and withdrawing"),
}
MAPPED: Mapping[str, Message] = {
    "route": msg("Routes"),
    "service": msg("Services"),
    "municipality": msg("Municipalities"),
    "decline_reason": msg("Reasons of declining"),
    "outcome": msg("Outcomes"),
}
"""What an organisation may have codes of its own for."""
MAPPED_HINTS: Mapping[str, Message] = {
    "municipality": msg(
        "Give the three digits of Statistics Finland’s list, for example 205. What a sender wrote is the person’s "
        "contact data: an unknown municipality is seen on the page of its referral alone, and read as soon as it "
        "stands here."
    ),
    "decline_reason": msg("These go back to the sender. Of several with the same meaning the first is told."),
    "outcome": msg("These go back to the sender. Of several with the same meaning the first is told."),
}
UNKNOWN: Mapping[str, Message] = {
    "refuse": msg("The referral is refused, and the sender hears which code it was."),
    "keep": msg("The referral is taken in, and can be accepted once somebody has said what the code stands for."),
}
DONE: Mapping[str, Message] = {
    "added": msg("The organisation was added."),
    "changed": msg("The changes were saved."),
    "activated": msg("The organisation’s systems may come in again."),
    "deactivated": msg("The organisation’s systems come in no more. Tokens that they have are void within seconds."),
    "agreed": msg("The agreement was added. Only what an agreement in force covers is taken in from now on."),
    "ended": msg("The agreement’s last day was set."),
    "key-added": msg("The key was added. The old ones go on working until you remove them."),
    "key-removed": msg("The key was removed."),
    "revoked": msg("The client was revoked. Tokens that it has are void in every service within seconds."),
    "member-added": msg("The X-Road member was added. It may come in from its next request on."),
    "member-revoked": msg("The X-Road member was revoked. Its next request is refused."),
    "member-restored": msg("The X-Road member may come in again."),
    "restored": msg("The client may come in again."),
}
CHANGED_MEANWHILE = msg(
    "Somebody changed this meanwhile. What you filled in was not saved; below is the present state."
)
