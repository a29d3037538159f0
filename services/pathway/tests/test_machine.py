"""Any commands in any order with any days: what must hold of a pathway after each of them."""

from collections.abc import Callable
from datetime import date, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from polku_events import EventData
from polku_events.pathway import Entry, Exit, ParticipationCorrected, ParticipationEnded, ParticipationStarted
from polku_events.refusals import Refused
from polku_pathway.model import pathway as domain
from polku_pathway.model.pathway import Decided, Pathway
from polku_pathway.model.rules import RESULT_WINDOW

from .material import ACT, KAINUU, RULES, TODAY, accepted, entry, leaving, opened

DAYS = st.integers(-30, 40)
"""Days after the latest day the pathway knows of; few enough that most commands succeed, some by a hair."""
LATER = st.sampled_from([-1, 0, 1, 14, 28, 29])
STAGES = st.sampled_from([step.code for step in (*KAINUU.stages, *KAINUU.ends)] + ["nowhere"])
REASONS = st.sampled_from([reason for end in KAINUU.ends for reason in end.reasons] + ["bored"])


class Walk(RuleBasedStateMachine):
    """A pathway under random commands, and what its events have said so far."""

    def __init__(self) -> None:
        super().__init__()
        self.pathway: Pathway = opened()
        self.said: list[EventData] = []
        self.referrals = 1

    def decide(self, decided: Decided) -> None:
        self.pathway, events = decided
        assert events, "a change of state that nobody hears of"
        self.said += events

    def day(self, after: int) -> date:
        one = self.pathway
        known = one.stage_since if one.entry else TODAY - timedelta(days=200)
        return known + timedelta(days=after)

    @rule(after=DAYS, complete=st.booleans())
    def start(self, after: int, complete: bool) -> None:
        on = self.day(after)
        told = entry(started_on=on, since=None) if complete else Entry(started_on=on)
        self.attempt(lambda: domain.start(self.pathway, told, RULES, ACT))

    @precondition(lambda self: self.pathway.entry is not None)
    @rule(to=STAGES, after=DAYS)
    def change_stage(self, to: str, after: int) -> None:
        self.attempt(lambda: domain.change_stage(self.pathway, to, self.day(after), RULES, ACT))

    @precondition(lambda self: self.pathway.entry is not None)
    @rule(after=DAYS, later=LATER, reason=REASONS)
    def end(self, after: int, later: int, reason: str) -> None:
        on = self.day(after)
        told = leaving(ended_on=on, status_on=on + timedelta(days=later), reason=reason)
        self.attempt(lambda: domain.end(self.pathway, told, RULES, ACT))

    @rule(before=st.integers(-1, 80), reason=REASONS)
    def close_unstarted(self, before: int, reason: str) -> None:
        on = TODAY - timedelta(days=before)
        self.attempt(lambda: domain.close_unstarted(self.pathway, on, reason, RULES, ACT))

    @precondition(lambda self: self.pathway.entry is not None)
    @rule(after=DAYS, end_after=DAYS, later=LATER, reason=REASONS)
    def amend(self, after: int, end_after: int, later: int, reason: str) -> None:
        on, end_on = self.day(after), self.day(end_after)
        status_on = end_on + timedelta(days=later)
        told = leaving(ended_on=end_on, status_on=status_on, reason=reason) if self.pathway.exit else None
        corrected = entry(started_on=on, since=None)
        self.attempt(lambda: domain.amend(self.pathway, corrected, told, "mistake", RULES, ACT))

    @precondition(lambda self: not self.pathway.is_open)
    @rule(after=DAYS)
    def reopen(self, after: int) -> None:
        self.attempt(lambda: domain.reopen(self.pathway, self.day(after), "returned", RULES, ACT))

    @rule()
    def attach(self) -> None:
        self.referrals += 1
        another = accepted(f"referral-{self.referrals}")
        self.attempt(lambda: domain.attach_referral(self.pathway, another, ACT))

    def attempt(self, command: Callable[[], Decided]) -> None:
        try:
            decided = command()
        except Refused:
            return
        self.decide(decided)

    @invariant()
    def versions_count_the_events(self) -> None:
        assert self.pathway.version == 1 + len(self.said) == len(self.pathway.timeline)

    @invariant()
    def days_are_in_order_and_inside_the_programme(self) -> None:
        one = self.pathway
        if one.entry is not None:
            assert KAINUU.starts_on <= one.entry.started_on <= TODAY
        if one.exit is not None:
            assert one.entry is not None
            assert one.entry.started_on <= one.exit.ended_on <= one.exit.status_on <= TODAY
            assert one.exit.status_on <= one.exit.ended_on + RESULT_WINDOW

    @invariant()
    def open_and_closed_are_told_apart(self) -> None:
        one = self.pathway
        stages, ends = {s.code for s in KAINUU.stages}, {e.code for e in KAINUU.ends}
        if one.is_open:
            assert one.stage in stages
            assert one.exit is None
            assert one.closed_on is None
            assert (one.stage == KAINUU.initial) == (one.entry is None)
        else:
            assert one.stage in ends
            assert KAINUU.end_for(one.outcome or "") == next(e for e in KAINUU.ends if e.code == one.stage)
            assert (one.exit is None) == (one.entry is None)
            assert one.stage_before_end in stages

    @invariant()
    def the_events_alone_give_the_same_data(self) -> None:
        entry_heard: Entry | None = None
        exit_heard: Exit | None = None
        for event in self.said:
            match event:
                case ParticipationStarted():
                    entry_heard = Entry(**event.model_dump())
                case ParticipationEnded():
                    exit_heard = Exit(**event.model_dump())
                case ParticipationCorrected(entry=corrected, exit=corrected_exit):
                    entry_heard, exit_heard = corrected, corrected_exit
                case domain.ParticipationReopened():
                    exit_heard = None
        assert entry_heard == self.pathway.entry
        assert exit_heard == self.pathway.exit


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
