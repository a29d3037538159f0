"""Webhooks that somebody must look at: disabled ones, and those whose events have waited for long."""

from dataclasses import dataclass
from datetime import timedelta

from polku_referral.webhooks.endpoints import Webhooks

LONG = timedelta(minutes=10)
"""The schedule's first tries are over then: what still waits was refused at least three times, or nobody sends."""


@dataclass(frozen=True)
class Troubled:
    """state: `active` or `disabled`. waiting_seconds: for how long the oldest event waits; None when nothing does."""

    id: str
    state: str
    cause: str | None
    waiting: int
    waiting_seconds: int | None


async def in_trouble(webhooks: Webhooks) -> list[Troubled]:
    """By id, which is by age."""
    now, backlogs = webhooks.effects.now(), await webhooks.deliveries.backlogs()
    found = []
    for webhook in await webhooks.store.listed({"state": {"$in": ["active", "disabled"]}}):
        waiting, since = backlogs.get(webhook.id, (0, None))
        if webhook.state == "disabled" or (since is not None and now - since > LONG):
            age = None if since is None else int((now - since).total_seconds())
            found.append(Troubled(webhook.id, webhook.state, webhook.cause, waiting, age))
    return found
