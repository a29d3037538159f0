"""Who is in two sessions at once: given two sessions, then these case codes."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polku_activities.model import session as domain
from polku_activities.model.overlaps import hours, overlapping
from polku_activities.model.session import Session

from .material import ACT, EXCUSED, LATE, NOW, PRESENT, TODAY, held, person, planned, wish

SESSIONS = st.builds(
    lambda numbers, minute, minutes: planned(
        *sorted(numbers), starts_at=NOW + timedelta(minutes=minute), minutes=minutes
    ),
    st.sets(st.integers(1, 4), max_size=4),
    st.integers(0, 60),
    st.integers(5, 60),
)


@given(SESSIONS, SESSIONS)
def test_it_is_the_same_from_both_sides_and_names_shared_people_only(one: Session, other: Session) -> None:
    found = overlapping(one, [other])
    assert found == overlapping(other, [one])
    shared = set(one.plan.participants) & set(other.plan.participants)
    together = one.plan.starts_at < other.plan.ends_at and other.plan.starts_at < one.plan.ends_at
    assert found == (sorted(who.case_code for who in shared) if together else [])


def test_who_was_absent_was_not_in_two_places() -> None:
    assert overlapping(planned(1, 2, 3), [held(p1=PRESENT, p2=EXCUSED, p3=LATE)]) == ["K-00001", "K-00003"]
    assert overlapping(held(p1=EXCUSED, p2=PRESENT), [planned(1, 2)]) == ["K-00002"]


def test_it_counts_how_long_it_really_was() -> None:
    later = planned(1, starts_at=NOW + timedelta(hours=2))
    assert overlapping(later, [held(p1=PRESENT)]) == []
    longer = held(p1=PRESENT).model_copy(update={"held_minutes": 300})
    assert overlapping(later, [longer]) == ["K-00001"]


@pytest.mark.parametrize(("held_on", "known"), [(TODAY, True), (date(2026, 3, 1), False)])
def test_at_what_time_it_was_on_another_day_nobody_knows(held_on: date, known: bool) -> None:
    session = held(p1=PRESENT).model_copy(update={"held_on": held_on})
    assert (hours(session) is not None) == known


def test_what_was_cancelled_is_in_nobodys_way() -> None:
    cancelled, _ = domain.cancel(planned(1), reason="weather", act=ACT)
    assert overlapping(planned(1), [cancelled]) == []
    assert overlapping(cancelled, [planned(1)]) == []


def test_nobody_is_named_twice() -> None:
    two = [planned(1, 2), planned(2, starts_at=datetime(2026, 3, 2, 8, 0, tzinfo=UTC))]
    assert overlapping(planned(1, 2), two) == ["K-00001", "K-00002"]
    assert wish(2).participants == (person(2),)
