"""The way back: what became of a sender's referrals, as the feed and webhooks tell it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

LONGEST_WAIT_S = 25
"""What one request may wait for news."""
NOW = "now"


@dataclass(frozen=True)
class Event:
    """One thing that happened to a referral, in codes and days; what people wrote is read from the referral.

    id: the same however often it is told. version: of the referral after it, without gaps. cursor: to be kept once
    this event is handled; the feed goes on from there, and what stood between may come a second time.
    """

    id: str
    type: str
    at: datetime
    data: Mapping[str, Any]
    cursor: str | None = None

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        return cls(said["id"], said["type"], datetime.fromisoformat(said["timestamp"]), said["data"])

    @property
    def referral_id(self) -> str | None:
        return self.data.get("referral_id")

    @property
    def external_id(self) -> str | None:
        return self.data.get("external_id")

    @property
    def state(self) -> str | None:
        """Of the referral after this event."""
        return self.data.get("state")

    @property
    def version(self) -> int | None:
        return self.data.get("version")

    @property
    def challenge(self) -> str | None:
        """What a new webhook answers with, as the whole body, to show that it wants to be one."""
        return self.data.get("challenge")


Page = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Asks for one page: query → body."""


def read_feed(page: Page, after: str | None, *, follow: bool, wait_s: int, limit: int) -> Iterator[Event]:
    """Events after a cursor, page by page. follow: waits for news and never ends; else it ends at the last one."""
    cursor = after
    if cursor == NOW:  # a cursor that moves would lose what comes while the first page is handled
        cursor = page({"after": NOW, "limit": 1})["next"]
    while True:
        asked = {"limit": limit, "wait": wait_s if follow else 0}
        told = page(asked if cursor is None else {**asked, "after": cursor})
        items = [Event.read(item) for item in told["items"]]
        for place, event in enumerate(items, start=1):
            yield replace(event, cursor=told["next"] if place == len(items) else cursor)
        cursor = told["next"]
        if not follow and not told["more"]:
            return
