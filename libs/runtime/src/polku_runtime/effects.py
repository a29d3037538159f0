"""What the outside world gives a service: the clock, fresh ids and randomness.

They are handed in, so that a test or a simulation decides them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

import uuid_utils


@dataclass(frozen=True)
class Effects:
    """The three sources of non-determinism.

    now: the present instant, timezone-aware UTC.
    new_id: a fresh UUIDv7 as text (RFC 9562 §5.7), so that ids sort by age.
    random: jitter and choices; never a secret.
    """

    now: Callable[[], datetime]
    new_id: Callable[[], str]
    random: Random = field(default_factory=Random)


def system_effects() -> Effects:
    """The real clock, real ids, real randomness."""
    return Effects(now=_utc_now, new_id=_uuid7)


def _utc_now() -> datetime:
    # MongoDB keeps milliseconds; cutting here makes what is stored equal what was said.
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _uuid7() -> str:
    return str(uuid_utils.uuid7())
