"""The clock of the worker: reminders, escalation and expiry of referrals that nobody answers.

Days are Helsinki's. Each change is saved by version: who answers at the same moment wins, and the next round
finds what is left.
"""

import asyncio
from collections.abc import Mapping
from datetime import date
from typing import Any

from pymongo import ASCENDING

from polku_referral.model.clocks import DUE_SOON, OVERDUE, strike
from polku_referral.model.referral import WAITING
from polku_referral.model.terms import Terms
from polku_referral.repository import Repository
from polku_runtime.aggregates import LostRace
from polku_runtime.lease import Lease
from polku_runtime.worker import Task
from polku_web.formats import local_day

AT_ONCE = 200
"""Referrals read at a time; after a long pause one such lot follows the other."""
DUE: Mapping[str, list[str]] = {"answer_due": ["received", "waitlisted"], "sender_due": ["question"]}
"""The field that holds the day to answer, by the states in which it counts."""


def ticking(repository: Repository, terms: Terms, lease: Lease, seconds: float) -> Task:
    """Further work for the worker: a round every so many seconds, by one worker at a time."""

    async def turn() -> None:
        if await lease.hold():
            await round_(repository, terms)
        await asyncio.sleep(seconds)

    return turn


async def round_(repository: Repository, terms: Terms) -> int:
    """Does to every referral whose day has come what that day does; how many changed."""
    today = local_day(repository.effects.now())
    changed = 0
    for where in day_has_come(terms, today):
        moved = AT_ONCE
        while moved == AT_ONCE:
            moved = await _lot(repository, terms, where, today)
            changed += moved
    return changed


async def _lot(repository: Repository, terms: Terms, where: Mapping[str, Any], today: date) -> int:
    moved = 0
    for referral in await repository.referrals.find(where, sort=[("_id", ASCENDING)], limit=AT_ONCE):
        decided = strike(referral, terms, today=today, at=repository.effects.now())
        if decided is None:
            continue
        try:
            await repository.save(referral, *decided, {})
        except LostRace:
            continue
        moved += 1
    return moved


def day_has_come(terms: Terms, today: date) -> list[Mapping[str, Any]]:
    """Filters that find every referral that `strike` would change, each by an index of its own."""
    before = {"$lt": today.isoformat()}
    found: list[Mapping[str, Any]] = [{"state": {"$in": list(WAITING)}, "expires_on": before}]
    named = list(terms.routes)
    routes = [("", {"$nin": named}), *((route, route) for route in named)]
    for field, states in DUE.items():
        waiting: Mapping[str, Any] = {"state": {"$in": states}}
        found.append({**waiting, "reminded": {"$lt": OVERDUE}, field: before})
        for route, its in routes:
            soon = {"$lte": terms.due_soon_until(route, today).isoformat()}
            found.append({**waiting, "reminded": {"$lt": DUE_SOON}, field: soon, "route": its})
    return found
