"""Any commands in any order: what must hold of a session after each of them."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from polku_activities.model import session as domain
from polku_activities.model.session import Mark, Outcome
from polku_events import EventData
from polku_events.activities import AttendanceCorrected, AttendanceRecorded, SessionHeld
from polku_events.refusals import Refused

from .material import ACT, TODAY, person, planned, wish

MARKS = st.builds(
    Mark,
    attendance=st.sampled_from(["present", "late", "absent-excused", "absent-unexcused"]),
    minutes=st.sampled_from([0, 0, 60, 120, 121]),
    reason=st.sampled_from([None, None, "illness"]),
)
PEOPLE = st.lists(st.integers(1, 4), max_size=4)
ALL_MARKS = st.fixed_dictionaries({f"pathway-{number}": MARKS for number in range(1, 5)})


class Life(RuleBasedStateMachine):
    """A session under random commands, and what its events have said so far."""

    def __init__(self) -> None:
        super().__init__()
        self.session = planned()
        self.said: list[EventData] = []

    def attempt(self, command: Callable[[], Outcome]) -> None:
        before = self.session
        try:
            self.session, events = command()
        except Refused:
            return
        assert events, "a change of state that nobody hears of"
        assert self.session != before
        self.said += events

    @rule(people=PEOPLE, group=st.booleans(), minutes=st.sampled_from([5, 60, 120]))
    def change(self, people: list[int], group: bool, minutes: int) -> None:
        self.attempt(lambda: domain.change_plan(self.session, wish(*people, group=group, minutes=minutes)))

    @rule(people=PEOPLE)
    def add(self, people: list[int]) -> None:
        self.attempt(lambda: domain.add(self.session, [person(number) for number in people]))

    @rule(marks=ALL_MARKS, walk_ins=PEOPLE, late=st.integers(-3, 1), strict=st.booleans())
    def hold(self, marks: dict[str, Mark], walk_ins: list[int], late: int, strict: bool) -> None:
        fresh = [person(number) for number in walk_ins if person(number) not in self.session.plan.participants]
        asked = {one.pathway_id for one in (*self.session.plan.participants, *fresh)}
        self.attempt(
            lambda: domain.hold(
                self.session,
                held_on=TODAY + timedelta(days=late),
                minutes=120,
                marks={name: mark for name, mark in marks.items() if strict or name in asked},
                walk_ins=fresh,
                today=TODAY,
                act=ACT,
            )
        )

    @rule(number=st.integers(1, 5), mark=MARKS)
    def correct(self, number: int, mark: Mark) -> None:
        self.attempt(
            lambda: domain.correct(
                self.session, pathway_id=f"pathway-{number}", mark=mark, reason="typing-error", act=ACT
            )
        )

    @rule(really=st.sampled_from([False, False, False, True]))
    def cancel(self, really: bool) -> None:
        if really:
            self.attempt(lambda: domain.cancel(self.session, reason="weather", act=ACT))

    @invariant()
    def versions_count_the_events(self) -> None:
        assert self.session.version == 1 + len(self.said)

    @invariant()
    def the_number_said_last_is_the_number_of_marks(self) -> None:
        told = [one.attended for one in self.said if isinstance(one, SessionHeld)]
        there = [mark for mark in self.session.marks.values() if mark.attendance in ("present", "late")]
        assert self.session.attended == len(there)
        assert told[-1:] == ([len(there)] if self.session.state == "held" else [])

    @invariant()
    def the_events_alone_give_the_same_marks(self) -> None:
        heard: dict[str, Mark] = {}
        for one in self.said:
            if isinstance(one, AttendanceRecorded | AttendanceCorrected):
                assert isinstance(one, AttendanceCorrected) or one.pathway_id not in heard
                heard[one.pathway_id] = Mark(**one.model_dump(include={"attendance", "minutes", "reason"}))
        assert heard == self.session.marks

    @invariant()
    def the_kind_of_activity_never_stands_beside_a_person(self) -> None:
        for one in self.said:
            told = one.model_dump()
            assert not ("person_id" in told and {"activity", "group", "place", "coach_id"} & told.keys())

    @invariant()
    def what_is_kept_can_be_read_again(self) -> None:
        assert type(self.session).model_validate(self.session.model_dump()) == self.session


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=15, deadline=None)
