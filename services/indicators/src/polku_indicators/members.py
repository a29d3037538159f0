"""Who is behind a figure, by which events and which rule; and who is left out, and why."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from polku_events import EventData
from polku_events.activities import AttendanceCorrected, AttendanceRecorded, SessionHeld
from polku_events.pathway import (
    ParticipationCorrected,
    ParticipationEnded,
    ParticipationReopened,
    ParticipationStarted,
)
from polku_events.referral import PersonAgeStated, ReferralAccepted, ReferralReceived
from polku_indicators.model.counting import contributions
from polku_indicators.model.fold import State
from polku_indicators.model.participation import Participation, participation, pathways_of
from polku_indicators.model.rules import Rules, judge
from polku_indicators.past import Past
from polku_indicators.repository import Store
from polku_indicators.repository.reading import counted_subjects, facts_of, tallied_subjects
from polku_runtime.mongo import Document

ENTRY = (ParticipationStarted, ParticipationCorrected, PersonAgeStated)
EXIT = (ParticipationEnded, ParticipationReopened)
BEHIND_TALLY: Mapping[str, tuple[type[EventData], ...]] = {
    "referrals-received": (ReferralReceived,),
    "referrals-accepted": (ReferralAccepted,),
    "attendances": (AttendanceRecorded, AttendanceCorrected),
    "attendance-minutes": (AttendanceRecorded, AttendanceCorrected),
    "sessions-held": (SessionHeld,),
    "session-minutes": (SessionHeld,),
}


@dataclass(frozen=True)
class Behind:
    """One event behind a member. in_force: the figure rests on it; else another event took its place."""

    id: str
    type: str
    occurred_at: datetime
    in_force: bool


@dataclass(frozen=True)
class Member:
    """One subject of a figure. reason and missing are set for who is left out; amount for a tally."""

    subject: str
    kind: str
    case_code: str | None
    gender: str | None
    amount: float | None
    reason: str | None
    missing: tuple[str, ...]
    started_on: date | None
    ended_on: date | None
    activity: str | None
    held_on: str | None
    events: tuple[Behind, ...]


@dataclass(frozen=True)
class Question:
    """Whose list is asked for. then: the states of another day; None for the live ones."""

    programme: str
    code: str
    counted: bool
    then: Past | None
    known: datetime | None = None


async def members(store: Store, rules: Rules, asked: Question, *, after: str, limit: int) -> list[Member]:
    """Members by subject id, beginning after `after`. The code must be one of the rules' figures or tallies."""
    tally = next((t for t in rules.definitions.tallies if t.code == asked.code), None)
    source = None if tally is None else tally.source
    if asked.then is not None:
        states = _then(asked.then, rules, asked, source, after, limit)
    elif source is not None:
        states = _states(await tallied_subjects(store, asked.programme, source, after=after, limit=limit))
    else:
        states = _states(
            await counted_subjects(store, asked.programme, asked.code, counted=asked.counted, after=after, limit=limit)
        )
    facts: dict[str, list[Document]] = defaultdict(list)
    for fact in await facts_of(store, [subject for subject, _ in states], asked.known):
        facts[fact["subject"]].append(fact)
    scale = 60 if tally is not None and tally.unit == "minutes" else 1
    day = None if asked.then is None else asked.then.day
    if source is not None:
        return [_tallied(s, state, rules, asked, source, scale, day, facts[s]) for s, state in states]
    return [_person(subject, state, rules, asked, day, facts[subject]) for subject, state in states]


def _states(documents: Iterable[Document]) -> list[tuple[str, State]]:
    return [(document["_id"], document["state"]) for document in documents]


def _then(
    then: Past, rules: Rules, asked: Question, source: str | None, after: str, limit: int
) -> list[tuple[str, State]]:
    found = []
    for subject, state in sorted(then.states.items()):
        if subject <= after:
            continue
        adds = contributions(state, rules, then.day).get(asked.programme)
        if adds is None:
            continue
        inside = source in adds["tallies"] if source is not None else asked.code in adds["counted"]
        if inside == asked.counted and (source is not None or state["kind"] == "person"):
            found.append((subject, state))
        if len(found) == limit:
            break
    return found


def _person(
    subject: str, state: State, rules: Rules, asked: Question, day: date | None, facts: Sequence[Document]
) -> Member:
    found = participation(state, asked.programme, day)
    judgement = judge(found, rules, asked.programme)
    rule = rules.rule(asked.code)
    is_result = rule is not None and rule.definition.kind == "result"
    return Member(
        subject=subject,
        kind="person",
        case_code=case_code(state, asked.programme, found),
        gender=None if found is None else found.gender,
        amount=None,
        reason=judgement.left_out.get(asked.code),
        missing=judgement.missing,
        started_on=None if found is None else found.started_on,
        ended_on=None if found is None else found.ended_on,
        activity=None,
        held_on=None,
        events=tuple(_behind_person(state, found, facts, is_result=is_result)),
    )


def _tallied(
    subject: str,
    state: State,
    rules: Rules,
    asked: Question,
    source: str,
    scale: int,
    day: date | None,
    facts: Sequence[Document],
) -> Member:
    adds = contributions(state, rules, day)[asked.programme]
    types = {kind.TYPE for kind in BEHIND_TALLY[source]}
    is_session = state["kind"] == "session"
    return Member(
        subject=subject,
        kind=state["kind"],
        case_code=None if is_session else case_code(state, asked.programme, None),
        gender=None,
        amount=round(adds["tallies"].get(source, 0) / scale, 1),
        reason=None,
        missing=(),
        started_on=None,
        ended_on=None,
        activity=state["last"][3] if is_session else None,
        held_on=state["last"][2] if is_session else None,
        events=tuple(_behind(fact, in_force=True) for fact in facts if fact["type"] in types),
    )


def case_code(state: State, programme: str, found: Participation | None) -> str | None:
    """The code by which people know the person: of the counted pathway, else of any in the programme."""
    pathways = dict(pathways_of(state, programme))
    if found is not None and "case" in pathways[found.entry_pathway]:
        return str(pathways[found.entry_pathway]["case"])
    codes = {pathway["case"] for pathway in pathways.values() if "case" in pathway}
    codes |= {r["case"] for r in state.get("referrals", {}).values() if r["programme"] == programme}
    return min(codes, default=None)


def _behind_person(
    state: State, found: Participation | None, facts: Sequence[Document], *, is_result: bool
) -> Iterable[Behind]:
    if found is None:
        return
    types = {kind.TYPE for kind in (ENTRY + EXIT if is_result else ENTRY)}
    entry = (found.entry_pathway, state["pathways"][found.entry_pathway]["entry"][0])
    leaving = None
    if is_result and found.exit_pathway is not None:
        leaving = (found.exit_pathway, state["pathways"][found.exit_pathway]["exit"][0])
    for fact in facts:
        if fact["type"] not in types:
            continue
        pathway = fact["data"]["pathway_id"]
        if fact["type"] == PersonAgeStated.TYPE:
            in_force = pathway == found.entry_pathway and fact["data"]["age"] == found.age
        else:
            in_force = (pathway, fact["version"]) in (entry, leaving)
        yield _behind(fact, in_force=in_force)


def _behind(fact: Document, *, in_force: bool) -> Behind:
    return Behind(fact["_id"], fact["type"], fact["occurred_at"], in_force)
