"""From states to counters: a contribution per person or session, and sums that move by differences."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from polku_indicators.model.fold import State
from polku_indicators.model.participation import attendances, participation, programmes_of
from polku_indicators.model.rules import Rules, judge

Contribution = dict[str, Any]
"""{"counted": {code: gender}, "tallies": {tally: number}} of one subject in one programme."""
Counters = dict[str, dict[str, int]]
"""figure code → gender → persons, and tally → "all" → number: the sum of contributions of one programme."""
PLAIN = "all"
"""The only key of a tally, which has no gender."""


def contributions(state: State, rules: Rules, until: date | None = None) -> dict[str, Contribution]:
    """What a subject adds to the figures, by programme. until: leave out what happened after this day."""
    if state["kind"] == "session":
        return {programme: _of_session(state, until) for programme in programmes_of(state)}
    return {programme: _of_person(state, programme, rules, until) for programme in programmes_of(state)}


def _of_person(state: State, programme: str, rules: Rules, until: date | None) -> Contribution:
    judgement = judge(participation(state, programme, until), rules, programme)
    times, minutes = attendances(state, programme, until)
    tallies = {
        "referrals-received": _referrals(state, programme, "received", until),
        "referrals-accepted": _referrals(state, programme, "accepted", until),
        "attendances": times,
        "attendance-minutes": minutes,
    }
    return {"counted": judgement.counted, "tallies": {name: number for name, number in tallies.items() if number}}


def _referrals(state: State, programme: str, facet: str, until: date | None) -> int:
    limit = "9999-12-31" if until is None else until.isoformat()
    return sum(
        1
        for referral in state.get("referrals", {}).values()
        if referral["programme"] == programme and facet in referral and referral[facet][1] <= limit
    )


def _of_session(state: State, until: date | None) -> Contribution:
    _, stage, held_on, activity, minutes, _ = state["last"]
    if stage != "held" or (until is not None and held_on > until.isoformat()):
        return {"counted": {}, "tallies": {}}
    tallies = {
        "sessions-held": 1,
        f"sessions-held/{activity}": 1,
        "session-minutes": minutes,
        f"session-minutes/{activity}": minutes,
    }
    return {"counted": {}, "tallies": tallies}


def add(counters: Counters, contribution: Contribution, sign: int = 1) -> None:
    """Adds (or with sign -1 takes away) one subject's contribution, in place."""
    for code, gender in contribution["counted"].items():
        genders = counters[code]
        genders[gender] = genders.get(gender, 0) + sign
    for tally, number in contribution["tallies"].items():
        plain = counters[tally]
        plain[PLAIN] = plain.get(PLAIN, 0) + sign * number


def empty() -> Counters:
    return defaultdict(dict)


def total(contributions_of_all: Iterable[Contribution]) -> Counters:
    """The counters that these contributions add up to."""
    counters = empty()
    for contribution in contributions_of_all:
        add(counters, contribution)
    return counters


def tidy(counters: Mapping[str, Mapping[str, int]]) -> Counters:
    """Without zeros and in one order, so that equal counters are equal as text."""
    return {
        code: kept
        for code, genders in sorted(counters.items())
        if (kept := {gender: number for gender, number in sorted(genders.items()) if number})
    }


def merged(parts: Iterable[Mapping[str, Mapping[str, int]]]) -> Counters:
    """The sum of several counters, such as those of the partitions."""
    result = empty()
    for part in parts:
        for code, genders in part.items():
            for gender, number in genders.items():
                result[code][gender] = result[code].get(gender, 0) + number
    return tidy(result)
