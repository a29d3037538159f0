"""The rules of sessions: given a session, when something is asked, then these events or this refusal."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pytest

from polku_activities.model import session as domain
from polku_activities.model.session import MOST, Attendance, Mark, Outcome, Participant, Session
from polku_events.activities import AttendanceCorrected, AttendanceRecorded, SessionHeld, SessionPlanned
from polku_events.refusals import Refused
from polku_web.codes import read_codes

from .material import ACT, EXCUSED, LATE, PRESENT, TODAY, UNEXCUSED, held, kinds, person, planned, wish


def holding(
    session: Session,
    marks: Mapping[str, Mark],
    *walk_ins: Participant,
    held_on: date = TODAY,
    minutes: int = 120,
) -> Outcome:
    return domain.hold(session, held_on=held_on, minutes=minutes, marks=marks, walk_ins=walk_ins, today=TODAY, act=ACT)


def correcting(session: Session, mark: Mark, number: int = 1) -> Outcome:
    return domain.correct(session, pathway_id=f"pathway-{number}", mark=mark, reason="typing-error", act=ACT)


def refusal(work: Callable[[], Any]) -> str | set[tuple[str, str]]:
    """The code of a refusal, or its faults as pairs of field and code."""
    with pytest.raises(Refused) as refused:
        work()
    return {tuple(wrong) for wrong in refused.value.wrong} or refused.value.code


# -- plan and change ------------------------------------------------------------------------------------------


def test_planning_says_the_plan_without_place_and_people() -> None:
    session, events = domain.plan("session-1", "kainuu", wish(1, 2, place="Kirjasto"), ACT)
    (said,) = events
    assert isinstance(said, SessionPlanned)
    assert (said.session_id, said.activity, said.group) == ("session-1", "work-activity", True)
    assert said.ends_at - said.starts_at == timedelta(minutes=120)
    assert said.partition_key == "session-1"
    assert "Kirjasto" not in said.model_dump_json()
    assert "person" not in said.model_dump_json()
    assert (session.version, session.state, session.attended) == (1, "planned", 0)


def test_a_session_may_be_planned_before_anybody_is_chosen() -> None:
    assert planned().plan.participants == ()


@pytest.mark.parametrize(
    ("people", "group", "code"),
    [((1, 2), False, "one-only"), ((1, 1), True, "twice"), (range(MOST + 1), True, "too-many")],
)
def test_who_takes_part_must_fit(people: Any, group: bool, code: str) -> None:
    plan = wish(group=group).model_copy(update={"participants": tuple(person(number) for number in people)})
    assert refusal(lambda: domain.plan("session-1", "kainuu", plan, ACT)) == {("pathway_ids", code)}
    assert refusal(lambda: domain.change_plan(planned(), plan)) == {("pathway_ids", code)}


def test_a_changed_plan_is_said_again() -> None:
    session, events = domain.change_plan(planned(1), wish(1, 2, minutes=60))
    assert kinds(events) == ["session.planned"]
    assert (session.version, len(session.plan.participants), session.plan.minutes) == (2, 2, 60)


def test_no_change_is_refused() -> None:
    assert refusal(lambda: domain.change_plan(planned(1), wish(1))) == "nothing-changed"
    assert refusal(lambda: domain.add(planned(1), [person(1)])) == "nothing-changed"


def test_people_are_added_and_the_rest_stays() -> None:
    session, events = domain.add(planned(1), [person(1), person(2)])
    assert kinds(events) == ["session.planned"]
    assert (session.version, session.plan) == (2, wish(1, 2))


def test_who_is_added_must_fit() -> None:
    assert refusal(lambda: domain.add(planned(1, group=False), [person(2)])) == {("pathway_ids", "one-only")}
    again = Participant(person_id="person-1", pathway_id="pathway-2", case_code="K-00001")
    assert refusal(lambda: domain.add(planned(1), [again])) == {("pathway_ids", "twice")}


# -- hold -----------------------------------------------------------------------------------------------------


def test_holding_says_the_session_and_everybodys_attendance() -> None:
    marks = {"pathway-1": PRESENT, "pathway-2": LATE, "pathway-3": EXCUSED, "pathway-4": UNEXCUSED}
    session, events = holding(planned(1, 2, 3, 4), marks)
    assert kinds(events) == ["session.held", *["attendance.recorded"] * 4]
    assert (session.version, session.state, session.attended) == (6, "held", 2)
    first, *attendances = events
    assert isinstance(first, SessionHeld)
    assert (first.attended, first.minutes, first.held_on) == (2, 120, TODAY)
    told = [(one.person_id, one.attendance, one.minutes, one.reason) for one in attendances if isinstance(one, AttendanceRecorded)]  # fmt: skip
    assert told == [
        ("person-1", "present", 120, None),
        ("person-2", "late", 90, None),
        ("person-3", "absent-excused", 0, "illness"),
        ("person-4", "absent-unexcused", 0, None),
    ]
    assert [one.partition_key for one in attendances] == [f"person-{number}" for number in (1, 2, 3, 4)]


def test_it_may_have_been_another_day_and_shorter_than_planned() -> None:
    session, _ = holding(planned(1), {"pathway-1": LATE}, held_on=TODAY - timedelta(days=3), minutes=90)
    assert (session.held_on, session.held_minutes, session.plan.minutes) == (TODAY - timedelta(days=3), 90, 120)


def test_walk_ins_become_participants() -> None:
    session, events = holding(planned(1), {"pathway-1": UNEXCUSED, "pathway-2": PRESENT}, person(2))
    assert [one.pathway_id for one in session.plan.participants] == ["pathway-1", "pathway-2"]
    assert (len(events), session.version, session.attended) == (3, 4, 1)


def test_a_session_without_anybody_is_not_held() -> None:
    assert refusal(lambda: holding(planned(), {})) == {("marks", "needed")}
    assert holding(planned(), {"pathway-9": PRESENT}, person(9))[0].attended == 1


def test_everybody_and_nobody_else_has_a_mark() -> None:
    assert refusal(lambda: holding(planned(1, 2), {"pathway-1": PRESENT, "ghost": PRESENT})) == {
        ("marks/pathway-2", "needed"),
        ("marks", "not-a-participant"),
    }


def test_walk_ins_must_fit_too() -> None:
    everybody = {f"pathway-{number}": PRESENT for number in range(MOST + 1)}
    full = planned(*range(MOST))
    assert refusal(lambda: holding(full, everybody, person(MOST))) == {("marks", "too-many")}
    alone = planned(1, group=False)
    both = {"pathway-1": PRESENT, "pathway-2": PRESENT}
    assert refusal(lambda: holding(alone, both, person(2))) == {("marks", "one-only")}
    again = Participant(person_id="person-1", pathway_id="pathway-2", case_code="K-00001")
    assert refusal(lambda: holding(planned(1), both, again)) == {("marks", "twice")}


def test_the_future_cannot_be_held() -> None:
    tomorrow = TODAY + timedelta(days=1)
    assert refusal(lambda: holding(planned(1), {"pathway-1": PRESENT}, held_on=tomorrow)) == {("held_on", "in-future")}


@pytest.mark.parametrize(
    ("starts_at", "wrong"),
    [
        (datetime(2026, 3, 2, 21, 59, tzinfo=UTC), set()),
        (datetime(2026, 3, 2, 22, 0, tzinfo=UTC), {("held_on", "planned-for-later")}),
    ],
)
def test_what_is_planned_for_a_later_day_in_helsinki_is_not_held_yet(
    starts_at: datetime, wrong: set[tuple[str, str]]
) -> None:
    session = planned(1, starts_at=starts_at)
    if wrong:
        assert refusal(lambda: holding(session, {"pathway-1": PRESENT})) == wrong
    else:
        assert holding(session, {"pathway-1": PRESENT})[0].state == "held"


WRONG_MARKS = [
    (Mark(attendance="present", minutes=121), "minutes", "too-long"),
    (Mark(attendance="present", minutes=0), "minutes", "there-without-minutes"),
    (Mark(attendance="late", minutes=60, reason="transport"), "reason", "reason-for-presence"),
    (Mark(attendance="absent-unexcused", minutes=5), "minutes", "absent-with-minutes"),
    (Mark(attendance="absent-excused", minutes=0), "reason", "reason-needed"),
]


@pytest.mark.parametrize(("mark", "part", "code"), WRONG_MARKS)
def test_a_mark_that_does_not_hold_together_is_refused(mark: Mark, part: str, code: str) -> None:
    assert refusal(lambda: holding(planned(1), {"pathway-1": mark})) == {(f"marks/pathway-1/{part}", code)}
    assert refusal(lambda: correcting(held(p1=LATE), mark)) == {(f"mark/{part}", code)}


# -- correct --------------------------------------------------------------------------------------------------


def test_a_correction_keeps_old_and_new() -> None:
    session, events = correcting(held(p1=LATE, p2=PRESENT), PRESENT)
    assert kinds(events) == ["attendance.corrected"]
    (said,) = events
    assert isinstance(said, AttendanceCorrected)
    assert (said.person_id, said.attendance, said.minutes) == ("person-1", "present", 120)
    assert (session.marks["pathway-1"], session.marks["pathway-2"]) == (PRESENT, PRESENT)
    (kept,) = session.corrections
    assert (kept.pathway_id, kept.before, kept.after, kept.reason) == ("pathway-1", LATE, PRESENT, "typing-error")


@pytest.mark.parametrize(
    ("before", "after", "attended"),
    [(PRESENT, UNEXCUSED, 1), (EXCUSED, LATE, 2), (LATE, PRESENT, None), (UNEXCUSED, EXCUSED, None)],
)
def test_the_session_is_said_again_exactly_when_the_number_changes(
    before: Mark, after: Mark, attended: int | None
) -> None:
    session = held(p1=before, p2=PRESENT)
    corrected, events = correcting(session, after)
    assert [one.attended for one in events if isinstance(one, SessionHeld)] == ([] if attended is None else [attended])
    assert corrected.version == session.version + len(events)


def test_a_correction_must_change_something_of_somebody_who_was_meant_to_be_there() -> None:
    assert refusal(lambda: correcting(held(p1=LATE), LATE)) == "nothing-changed"
    assert refusal(lambda: correcting(held(p1=LATE), PRESENT, 2)) == {("pathway_id", "not-a-participant")}


# -- cancel, and what each state allows -------------------------------------------------------------------------


def test_cancelling_keeps_the_plan_and_says_the_reason() -> None:
    session, events = domain.cancel(planned(1), reason="weather", act=ACT)
    assert kinds(events) == ["session.cancelled"]
    assert (session.state, session.cancel_reason, session.version) == ("cancelled", "weather", 2)
    assert session.plan == planned(1).plan


ASKED: Mapping[str, Callable[[Session], Outcome]] = {
    "change": lambda session: domain.change_plan(session, wish(1, minutes=30)),
    "add": lambda session: domain.add(session, [person(2)]),
    "hold": lambda session: holding(session, {"pathway-1": PRESENT}),
    "correct": lambda session: correcting(session, UNEXCUSED),
    "cancel": lambda session: domain.cancel(session, reason="weather", act=ACT),
}


@pytest.mark.parametrize(
    ("session", "allowed"),
    [
        (planned(1), {"change", "add", "hold", "cancel"}),
        (held(p1=PRESENT), {"correct"}),
        (domain.cancel(planned(1), reason="weather", act=ACT)[0], set()),
    ],
)
def test_each_state_allows_what_it_allows(session: Session, allowed: set[str]) -> None:
    for name, ask in ASKED.items():
        if name in allowed:
            assert ask(session)[1]
        else:
            assert refusal(lambda ask=ask: ask(session)) == "wrong-state"


# -- code lists -------------------------------------------------------------------------------------------------


def test_every_attendance_has_a_label_and_every_list_reads_in_three_languages() -> None:
    lists = read_codes("polku_activities").lists
    assert set(lists["attendance"]) == set(get_args(Attendance))
    assert set(lists["state"]) == {"planned", "held", "cancelled"}
    for codes in lists.values():
        assert all(label.strip() == label != "" for code in codes.values() for label in (code.fi, code.sv, code.en))
