"""What comes in at a door, checked, and what is answered to it."""

import hashlib
from collections.abc import Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from polku_events.refusals import Refused
from polku_referral.model.identity import IdentityCode
from polku_referral.model.referral import Referral
from polku_referral.vault import Sealed
from polku_referral.wire import ReferralIn


@dataclass(frozen=True)
class Submission:
    """One checked body and who sent it. raw_sha256: hex, of the bytes as received.

    test: sent by a client that only tries. sent: the body in the sender's own codes, where it has some; by it a
    repeat is known, whatever its codes stand for by then. turn: names the row of a job, which is begun again after a
    crash: what it wrote itself before is no repeat. context: of the request, so that the event carries on its trace
    and not that of the round.
    """

    body: ReferralIn
    identity: IdentityCode | None
    organisation_id: str
    client_id: str
    raw_sha256: str
    idempotency_key: str | None
    test: bool = False
    sent: ReferralIn | None = None
    mapped: Mapping[str, str] = field(default_factory=dict)
    unmapped: Mapping[str, str] = field(default_factory=dict)
    turn: str | None = None
    context: Context = field(default_factory=copy_context, compare=False)


@dataclass(frozen=True)
class Accepted:
    """is_new: False when the very same referral had been sent before, elsewhere than in the same turn of a job."""

    referral: Referral
    receipt: str
    is_new: bool


Result = Accepted | Refused | Sealed
"""Sealed: what is known of the person does not open, though it was not erased; a fault on this side."""


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
