"""Figures of another day, or as they were known at another moment: folded from the facts on the spot."""

import asyncio
import contextvars
from dataclasses import dataclass, field
from datetime import date, datetime

from polku_events import EVENT_TYPES, EventData
from polku_events.activities import AttendanceCorrected, AttendanceRecorded, SessionHeld
from polku_events.pathway import (
    ParticipationEnded,
    ParticipationReopened,
    ParticipationStarted,
    PathwayClosed,
    PathwayOpened,
)
from polku_events.referral import ReferralAccepted, ReferralReceived
from polku_indicators.model.counting import Counters, contributions, tidy, total
from polku_indicators.model.fold import State, fold
from polku_indicators.model.rules import Rules
from polku_indicators.repository import Store
from polku_indicators.repository.reading import each_fact
from polku_runtime.mongo import Document

DAY_OF: dict[type[EventData], str] = {
    ReferralReceived: "referred_on",
    ReferralAccepted: "accepted_on",
    PathwayOpened: "opened_on",
    PathwayClosed: "closed_on",
    ParticipationStarted: "started_on",
    ParticipationEnded: "ended_on",
    ParticipationReopened: "reopened_on",
    SessionHeld: "held_on",
    AttendanceRecorded: "held_on",
    AttendanceCorrected: "held_on",
}
"""The day an event speaks of. The others (corrections, ages, plans) tell about days of their own inside."""


@dataclass
class Past:
    """States as folded from some facts, judged up to `day`."""

    day: date | None
    states: dict[str, State] = field(default_factory=dict)

    def take(self, fact: Document) -> None:
        """Folds a fact, unless it tells of something after the day.

        A correction that was made later is taken in: it says what we know now about the day. Ask as known at
        an earlier moment to leave it out.
        """
        kind = EVENT_TYPES[fact["type"]]
        named = DAY_OF.get(kind)
        # ISO days sort as text.
        if self.day is not None and named is not None and fact["data"][named] > self.day.isoformat():
            return
        data = kind.model_validate(fact["data"], strict=False)
        fold(self.states.setdefault(fact["subject"], {}), data, fact["version"])

    def counters(self, rules: Rules, programme: str) -> Counters:
        """The programme's figures on the day."""
        found = (contributions(state, rules, self.day).get(programme) for state in self.states.values())
        return tidy(total(part for part in found if part is not None))


async def past(store: Store, day: date | None, known: datetime | None) -> Past:
    """The states of another day, or as they were known at another moment.

    Reading every fact may take longer than a page may wait for MongoDB, so it leaves the request's deadline
    (a context variable) behind.
    """
    result = Past(day)
    reading = asyncio.create_task(each_fact(store, known, result.take), context=contextvars.Context())
    await reading
    return result
