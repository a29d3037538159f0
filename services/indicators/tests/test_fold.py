"""The fold: duplicates and any interleaving give one state; corrections, re-entry, late events."""

from datetime import timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from polku_indicators.catalogue import load_rules
from polku_indicators.model.counting import contributions, empty, merged, tidy, total
from polku_indicators.model.invariants import check_invariants
from polku_indicators.model.participation import participation, programmes_of
from polku_indicators.repository.subjects import judge_again, new_subject

from .stories import (
    ALL,
    LATER,
    PROGRAMME,
    START,
    age,
    corrected,
    ended,
    history,
    numbered,
    opened,
    reopened,
    started,
    states_of,
)

RULES = load_rules()


EXPECTED = states_of(ALL)


def interleaved(topics, random):
    """One order that keeps each topic's own, with duplicates and stretches delivered again."""
    queues = [list(topic) for topic in topics]
    delivered = []
    while any(queues):
        queue = random.choice([queue for queue in queues if queue])
        delivered.append(queue.pop(0))
        if random.random() < 0.3:
            delivered += random.choices(delivered, k=random.randint(1, 5))
    return delivered + delivered[len(delivered) // 2 :]


@settings(max_examples=1000, deadline=None)
@given(st.randoms(use_true_random=False))
def test_any_interleaving_and_duplication_gives_one_state(random):
    assert states_of(interleaved(history(), random)) == EXPECTED


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_even_a_topic_out_of_order_gives_one_state(random):
    events = list(ALL)
    random.shuffle(events)
    assert states_of(events) == EXPECTED


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 9))
def test_counters_moved_by_differences_equal_counters_made_anew(random, size):
    """In batches of any size, at every step."""
    documents, live = {}, {}
    delivered = interleaved(history(), random)
    from polku_indicators.model.fold import fold, subject_of

    for start in range(0, len(delivered), size):
        for data, version in delivered[start : start + size]:
            key = subject_of(data)
            document = documents.setdefault(key, new_subject(key, len(key) % 3))
            fold(document["state"], data, version)
        for (programme, partition), difference in judge_again(documents.values(), RULES).items():
            key = (programme, partition)
            live[key] = merged([live.get(key, empty()), difference])
        states = {key: document["state"] for key, document in documents.items()}
        counters = {PROGRAMME: merged(part for (name, _), part in live.items() if name == PROGRAMME)}
        assert check_invariants(states, counters, RULES) == []


def test_what_the_history_comes_to():
    counters = tidy(total(contributions(state, RULES)[PROGRAMME] for state in EXPECTED.values()))
    assert counters["EECO01"] == {"man": 1, "woman": 1}
    assert counters["EECO04"] == {"woman": 1}  # the correction says inactive, not student
    assert "FI-STUDYING" not in counters
    assert counters["EECO06"] == {"man": 1}  # 17 on the first start, not 18 on the second
    assert counters["EECO09"] == {"man": 1, "woman": 1}
    assert counters["EECR01"] == {"woman": 1}
    assert "EECR02" not in counters  # the correction replaced the whole of the exit data
    assert counters["referrals-received"] == {"all": 3}
    assert counters["attendances"] == {"all": 2}
    assert counters["attendance-minutes"] == {"all": 150}
    assert counters["session-minutes/training"] == {"all": 45}


def test_reentry_keeps_the_first_start_and_opens_the_participation():
    found = participation(EXPECTED["p2"], PROGRAMME)
    assert (found.started_on, found.education, found.age) == (START, 2, 17)
    assert found.ended_on is None


def test_reentry_that_ends_takes_the_latest_end():
    end = LATER + timedelta(days=30)
    again = [(ended("p2", "w4", on=end, status="employed"), 3)]
    state = states_of([*ALL, *again])["p2"]
    found = participation(state, PROGRAMME)
    assert (found.started_on, found.ended_on, found.exit_status) == (START, end, "employed")


def test_a_reopened_participation_has_no_end():
    state = states_of(numbered(opened(), started(), ended(status="employed"), reopened()))["p1"]
    assert participation(state, PROGRAMME).ended_on is None


def test_an_age_of_another_day_stands_in_until_the_right_one_comes():
    story = [*numbered(opened(), started(), corrected(on=START + timedelta(days=1))), (age(years=54), 1)]
    assert participation(states_of(story)["p1"], PROGRAMME).age == 54
    story.append((age(on=START + timedelta(days=1), years=55), 2))
    assert participation(states_of(story)["p1"], PROGRAMME).age == 55


def test_a_late_event_of_an_earlier_start_takes_over_the_snapshot():
    story = numbered(opened(), started(on=LATER, employment_status="employed"))
    story += numbered(opened(pathway="w0"), started(pathway="w0", employment_status="inactive"))
    found = participation(states_of(story)["p1"], PROGRAMME)
    assert (found.started_on, found.status) == (START, "inactive")


def test_an_age_alone_belongs_to_no_programme_yet():
    state = states_of([(age(), 1)])["p1"]
    assert programmes_of(state) == set()
    assert contributions(state, RULES) == {}


def test_another_programme_is_another_participation():
    story = numbered(opened(), started())
    story += numbered(opened(pathway="w9", programme="other"), started(pathway="w9", programme="other"))
    adds = contributions(states_of(story)["p1"], RULES)
    assert "EECO01" in adds["kainuu"]["counted"]
    assert "EECO01" in adds["other"]["counted"]


def test_as_of_leaves_out_what_came_later():
    state = EXPECTED["p1"]
    found = participation(state, PROGRAMME, until=LATER + timedelta(days=27))
    assert found.ended_on == LATER
    assert found.exit_status is None  # known only on the 28th day
    assert participation(state, PROGRAMME, until=LATER - timedelta(days=1)).ended_on is None
    assert participation(state, PROGRAMME, until=START - timedelta(days=2)) is None


def test_a_planted_wrong_counter_is_found():
    counters = {PROGRAMME: total(contributions(state, RULES)[PROGRAMME] for state in EXPECTED.values())}
    counters[PROGRAMME]["EECO02"]["woman"] = 7
    found = {broken.invariant for broken in check_invariants(EXPECTED, counters, RULES)}
    assert {"I3", "I12"} <= found


def test_the_history_is_really_shuffled():
    random = Random(1)
    assert interleaved(history(), random) != interleaved(history(), random)
