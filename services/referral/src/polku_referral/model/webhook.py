"""A webhook: an address of a sender's system that hears of its referrals, and when it is called again."""

import json
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from pydantic import BaseModel, ConfigDict

SCHEDULE_S = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 72_000)
"""Seconds before each try, after the one before it: 71.6 hours in all."""
CHALLENGE_S = (0, 5, 60, 300)
"""The same for the challenge: whoever registers an address is at work on it."""
LONGEST = timedelta(days=3)
JITTER = (0.9, 1.0)
OVERLAP = timedelta(hours=24)
"""How long an old secret signs beside a new one."""
ASIDE = timedelta(days=30)
"""How long the secrets of an address that is not called any more are kept."""
MAX_WEBHOOKS = 10
QUIET = timedelta(hours=1)
"""So long at most an address is left alone when it asks for that; the message that it answered waits as asked."""
ASKS_QUIET = frozenset((429, 502, 503, 504))
"""Statuses that speak of the receiver as a whole and not of the message."""
CHALLENGE = "webhook.challenge"

State = Literal["unverified", "active", "disabled"]
Cause = Literal["gone", "failed"]
"""Why an address is not called any more: it answered 410, or did not take an event for the whole schedule."""


class Fill(BaseModel):
    """Places of the feed (after, until] that are still to be sent, or to be sent again."""

    model_config = ConfigDict(frozen=True)

    after: int
    until: int


class Webhook(BaseModel):
    """events: types that it wants; all when empty. stopped: the place of the feed at which it was disabled.
    quiet_until: it asked not to be called before.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    channel: str
    url: str
    events: tuple[str, ...] = ()
    scheme: Literal["v1", "v1a"]
    state: State
    made_at: datetime
    verified_at: datetime | None = None
    disabled_at: datetime | None = None
    cause: Cause | None = None
    stopped: int | None = None
    fill: Fill | None = None
    quiet_until: datetime | None = None

    def wants(self, kind: str) -> bool:
        return not self.events or kind in self.events


def proves(body: bytes, challenge: str) -> bool:
    """True when an answer holds the challenge and nothing else: as text, or as `{"challenge": …}`.

    Whatever only repeats what it is sent does not want to be a webhook.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = body.decode("utf-8", "replace").strip()
    return bool(said in (challenge, {"challenge": challenge}))


def next_try(
    *, kind: str, tries: int, first_at: datetime, now: datetime, retry_after: float | None, chance: Random
) -> datetime | None:
    """When to try again after `tries` tries; None when that was the last.

    What the receiver asks for (seconds) is honoured within three days of the first try.
    """
    schedule = CHALLENGE_S if kind == CHALLENGE else SCHEDULE_S
    last = first_at + LONGEST
    if tries >= len(schedule) or now >= last:
        return None
    planned = now + timedelta(seconds=schedule[tries] * chance.uniform(*JITTER))
    asked = now + timedelta(seconds=min(retry_after or 0.0, LONGEST.total_seconds()))
    return min(max(planned, asked), last)


def quiet_until(*, status: int | None, retry_after: float | None, now: datetime) -> datetime | None:
    """Until when nothing at all is sent to who answered so (retry_after: seconds); None when it did not ask."""
    if status not in ASKS_QUIET or not retry_after:
        return None
    return now + timedelta(seconds=min(retry_after, QUIET.total_seconds()))
