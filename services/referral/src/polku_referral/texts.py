"""What the rules' codes mean in words. Marked here for the catalogues, said in the reader's language later."""

from collections.abc import Mapping

from polku_events.refusals import Refused
from polku_web.i18n import Message, msg
from polku_web.problems import Error, Problem

WRONG: Mapping[str, Message] = {
    "unknown-code": msg("This is not one of the known values."),
    "in-future": msg("The day is in the future."),
    "in-past": msg("The day must be after today."),
    "too-far-away": msg("The day is more than a year away."),
    "not-unmapped": msg("The sender used no code of its own here."),
    "before-referral": msg("This day is before the referral."),
    "needed": msg("This is required."),
    "not-a-coordinator": msg("Choose a coordinator of this programme."),
    "looks-like-identity-code": msg("Use an id or code of your own that holds no personal identity code."),
    "not-of-identity-code": msg("The date of birth is not the one in the identity code."),
    "identity-form": msg("The identity code is not in the form DDMMYYCZZZQ."),
    "identity-date": msg("The identity code holds a day that does not exist."),
    "identity-number": msg("The individual number of the identity code is not in use."),
    "identity-check": msg("The check character of the identity code is wrong."),
    "identity-artificial": msg("The identity code is from the artificial range; this service takes real ones."),
    "identity-not-artificial": msg("This is a test service: use an identity code from the artificial range."),
    "identity-future": msg("The identity code’s date of birth is in the future."),
    "too-long-ago": msg("Nobody who was born on this day can still be alive."),
    "not-a-day": msg("Give the day, for example 5.3.2026."),
    "not-valid": msg("This value is not valid."),
    "webhook-https": msg("The address must begin with https."),
    "webhook-port": msg("Use port 443 or 8443."),
    "webhook-address": msg("This address is not on the public internet."),
    "webhook-credentials": msg("Leave user names and passwords out of the address."),
    "before-start": msg("This day is before the first day."),
    "business-id": msg("This is no Finnish business id: check the digits."),
    "taken": msg("Another organisation has this already."),
    "too-many": msg("There are too many of these."),
    "member-form": msg(
        "Write it like FI/MUN/1234567-1/Subsystem: instance, member class, member code and subsystem with slashes "
        "between, without spaces, underscores, colons and letters like ä."
    ),
    "member-known": msg("This member is registered already."),
    "unfit-key": msg("This is no public key that can be used: JWK or PEM, P-256, Ed25519 or RSA of 2048 bits."),
    "private-key": msg(
        "This is a private key. It was not kept, but others have seen it: make a new pair and give its public key."
    ),
    "not-for-trials": msg("A system that only tries gets no figures: they are of real people."),
    "key-or-address": msg("Give a public key or an address for keys, not both."),
    "not-an-address-for-keys": msg("The address must begin with https and lead to the public internet."),
    "not-agreed": msg("The agreement with your organisation does not cover this."),
    "no-agreement-in-force": msg("No agreement with your organisation is in force today."),
    "unknown-reference": msg("This reference leads to no resource of the right kind in the same message."),
    "one-order": msg("A transaction holds exactly one ServiceRequest."),
    "formula": msg("This cell holds a formula; put the value itself there."),
    "cell-error": msg("This cell holds an error of the spreadsheet."),
    "more-cells": msg("This line has more cells than there are columns."),
    "only-post": msg("A transaction here only creates: the method is POST."),
}

REFUSED: Mapping[str, Message] = {
    "wrong-state": msg("The referral’s present state does not allow this."),
    "unknown-codes": msg("The sender’s own codes must be given known ones first."),
    "erased": msg("The person’s data have been erased."),
    "key-known": msg("The client has this key already."),
    "many-keys": msg("The client has as many keys as it may have; remove one first."),
    "unknown-key": msg("There is no such key."),
    "last-key": msg("There is no other key to go on with; add one first."),
    "revoked-already": msg("The client has been revoked already."),
    "not-revoked": msg("The client has not been revoked."),
    "member-revoked-already": msg("The member has been revoked already."),
    "member-not-revoked": msg("The member has not been revoked."),
    "unknown-agreement": msg("There is no such agreement."),
    "rotated-meanwhile": msg("Somebody else has rotated the keys at this moment."),
    "webhooks-enough": msg("There are as many webhooks as there may be; remove one first."),
    "webhook-known": msg("There is a webhook with this address already."),
    "webhook-verified": msg("This webhook has been verified already."),
    "webhook-not-active": msg("This webhook is not in use: verify or enable it first."),
    "webhook-not-disabled": msg("This webhook has not been disabled."),
    "webhook-no-secret": msg("The secret of this webhook has been deleted: rotate it first."),
}


KNOWN_CODES = msg("The codes that are known are listed at %(address)s.", address="/referral/api/v1/codes")
SENT_BEFORE = msg("This was sent before with other content and stands as it was: change it by its own commands.")


def as_problem(refused: Refused) -> Problem:
    """422 with a pointer per field, or 409 when the referral's state stands in the way."""
    if refused.code in ("invalid", "not-agreed"):
        errors = [Error(f"/{wrong.field}", wrong.code, WRONG[wrong.code]) for wrong in refused.wrong]
        is_code = any(wrong.code == "unknown-code" for wrong in refused.wrong)
        return Problem(422, refused.code, KNOWN_CODES if is_code else "", errors=errors)
    if refused.code == "idempotency-mismatch":
        return Problem(422, "idempotency-mismatch", SENT_BEFORE)
    return Problem(409, "wrong-state", REFUSED[refused.code], more={"refusal": refused.code})
