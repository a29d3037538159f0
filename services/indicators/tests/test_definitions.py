"""Each indicator by example (entry status, age, education, results within four weeks)."""

from datetime import date, timedelta
from importlib.resources import files

import pytest
import yaml
from pydantic import ValidationError

from polku_indicators.catalogue import load_rules
from polku_indicators.model.counting import contributions
from polku_indicators.model.definitions import Definitions
from polku_indicators.model.participation import participation
from polku_indicators.model.rules import COMPLETE, add_months, judge

from .stories import PROGRAMME, START, ended, numbered, opened, person, started, states_of

RULES = load_rules()
ENDED = START + timedelta(days=60)


def counted(happenings, programme=PROGRAMME):
    state = states_of(happenings)["p1"]
    return set(contributions(state, RULES)[programme]["counted"]) - {COMPLETE}


def left_out(happenings, code):
    state = states_of(happenings)["p1"]
    return judge(participation(state, PROGRAMME), RULES, PROGRAMME).left_out.get(code)


def with_exit(*, days=0, status="unemployed", education=False, qualification=False, **entry):
    story = person(**entry)
    how = {"days": days, "status": status, "education": education, "qualification": qualification}
    return [*story, (ended(on=ENDED, **how), 3)]


OUTPUTS = [
    ({"employment_status": "unemployed"}, {"EECO02"}),
    ({"employment_status": "inactive"}, {"EECO04", "FI-OUTSIDE"}),
    ({"employment_status": "student"}, {"EECO04", "FI-STUDYING"}),
    ({"employment_status": "employed"}, {"EECO05"}),
    ({"employment_status": "unemployed", "since": START - timedelta(days=366)}, {"EECO02", "EECO03"}),
    ({"employment_status": "unemployed", "since": date(2025, 2, 2)}, {"EECO02", "EECO03"}),
    ({"employment_status": "unemployed", "since": date(2025, 2, 3)}, {"EECO02"}),
    ({"employment_status": "inactive", "since": date(2020, 1, 1)}, {"EECO04", "FI-OUTSIDE"}),
]


@pytest.mark.parametrize(("entry", "statuses"), OUTPUTS)
def test_status_on_the_start_day(entry, statuses):
    assert counted(person(**entry)) == {"EECO01", "EECO09", *statuses}


@pytest.mark.parametrize(
    ("years", "code"), [(17, "EECO06"), (18, "EECO07"), (29, "EECO07"), (30, None), (54, None), (55, "EECO08")]
)
def test_age_bounds(years, code):
    ages = counted(person(years=years)) & {"EECO06", "EECO07", "EECO08"}
    assert ages == ({code} if code else set())


@pytest.mark.parametrize(
    ("level", "code"),
    [(0, "EECO09"), (2, "EECO09"), (3, "EECO10"), (4, "EECO10"), (5, "EECO11"), (8, "EECO11")],
)
def test_education_bounds(level, code):
    assert counted(person(education=level)) & {"EECO09", "EECO10", "EECO11"} == {code}


@pytest.mark.parametrize(
    ("gap", "name"),
    [
        ({"employment_status": None}, "employment_status"),
        ({"education": None}, "education"),
        ({"gender": "not-stated"}, "gender"),
        ({"years": None}, "age"),
        ({"employment_status": "on-the-moon"}, "employment_status"),
    ],
)
def test_an_incomplete_record_counts_in_the_total_only(gap, name):
    story = person(**gap)
    assert counted(story) == {"EECO01"}
    assert left_out(story, "EECO02") == "incomplete"
    assert participation(states_of(story)["p1"], PROGRAMME).missing == (name,)


RESULTS = [
    ({"employment_status": "inactive"}, {"status": "unemployed"}, "EECR01", None),
    ({"employment_status": "student"}, {"status": "unemployed"}, "EECR01", None),
    ({"employment_status": "unemployed"}, {"status": "unemployed"}, "EECR01", "not-in-base"),
    ({"employment_status": "inactive"}, {"status": "inactive"}, "EECR01", "other-status-after"),
    ({"employment_status": "unemployed"}, {"education": True}, "EECR02", None),
    ({"employment_status": "student"}, {"education": True}, "EECR02", "other-status"),
    ({"employment_status": "employed"}, {"qualification": True}, "EECR03", None),
    ({"employment_status": "employed"}, {}, "EECR03", "no-qualification"),
    ({"employment_status": "unemployed"}, {"status": "employed"}, "EECR04", None),
    ({"employment_status": "inactive"}, {"status": "employed"}, "EECR04", None),
    ({"employment_status": "employed"}, {"status": "employed"}, "EECR04", "not-in-base"),
]


@pytest.mark.parametrize(("entry", "after", "code", "reason"), RESULTS)
def test_results_and_their_bases(entry, after, code, reason):
    story = with_exit(**entry, **after)
    assert (code in counted(story)) == (reason is None)
    assert left_out(story, code) == reason


@pytest.mark.parametrize(("days", "counts"), [(-3, True), (0, True), (28, True), (29, False)])
def test_results_count_within_four_weeks_of_leaving(days, counts):
    story = with_exit(status="employed", qualification=True, education=True, days=days)
    assert ({"EECR02", "EECR03", "EECR04"} <= counted(story)) == counts
    assert left_out(story, "EECR04") == (None if counts else "too-late")


def test_who_is_still_inside_has_no_result():
    assert left_out(person(), "EECR04") == "still-in-programme"


def test_one_person_may_have_several_results():
    story = with_exit(employment_status="inactive", status="employed", education=True, qualification=True)
    assert {"EECR02", "EECR03", "EECR04"} <= counted(story)


def test_a_start_outside_the_period_counts_nowhere():
    story = [*numbered(opened(), started(on=date(2025, 5, 31)))]
    assert counted(story) == set()
    assert left_out(story, "EECO01") == "outside-period"


def test_who_has_not_started_counts_nowhere():
    story = numbered(opened())
    assert counted(story) == set()
    assert left_out(story, "EECO01") == "not-started"


def test_long_term_by_parameter_below_25():
    text = yaml.safe_load((files("polku_indicators") / "data/definitions/esf-plus-2021-2027.yaml").read_text("utf-8"))
    text["parameters"]["ltu_months_under25"] = 6
    from polku_indicators.model.rules import compile_rules

    rules = compile_rules(Definitions.model_validate(text), RULES.plans, "test")
    for years, expected in ((24, True), (25, False)):
        state = states_of(person(since=date(2025, 8, 2), years=years))["p1"]
        assert ("EECO03" in contributions(state, rules)[PROGRAMME]["counted"]) is expected


def test_unemployment_without_its_start_is_named():
    assert left_out(person(since=None), "EECO03") == "unemployment-start-missing"


def test_months_clamp_to_the_end():
    assert add_months(date(2025, 8, 31), 6) == date(2026, 2, 28)
    assert add_months(date(2023, 8, 31), 6) == date(2024, 2, 29)
    assert add_months(date(2025, 12, 15), 12) == date(2026, 12, 15)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text["figures"][0]["conditions"].update(python="1 + 1"),
        lambda text: text["figures"][0]["conditions"].update(base=["EECR04"]),
        lambda text: text["figures"].append(text["figures"][0]),
        lambda text: text["figures"][1]["conditions"].update(entry_status=["retired"]),
    ],
)
def test_a_definition_outside_the_vocabulary_is_refused(change):
    text = yaml.safe_load((files("polku_indicators") / "data/definitions/esf-plus-2021-2027.yaml").read_text("utf-8"))
    change(text)
    with pytest.raises(ValidationError):
        Definitions.model_validate(text)


def test_the_plan_is_the_application():
    plan = RULES.plans["kainuu"]
    targets = {target.figure: target.value for target in plan.targets}
    assert targets["EECO01"] == 95 == sum(targets[c] for c in ("EECO02", "FI-OUTSIDE", "EECO05", "FI-STUDYING"))
    assert [targets[f"EECR0{n}"] for n in (1, 2, 3, 4)] == [10, 5, 2, 1]
    assert targets["COMPANIES"] == 11
    assert (plan.starts_on, plan.ends_on) == (date(2025, 6, 1), date(2028, 5, 30))
