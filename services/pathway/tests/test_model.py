"""The rules of a pathway, each as: given a state, when a command, then these events or this refusal."""

from datetime import date, timedelta
from typing import Any

import pytest

from polku_events.refusals import Refused
from polku_pathway.model import pathway as domain
from polku_pathway.model.pathway import Pathway, pathway_id
from polku_pathway.model.rules import missing

from .material import ACT, BY_ITSELF, KAINUU, RULES, TODAY, accepted, entry, kinds, leaving, opened, started


def ended(**changes: Any) -> Pathway:
    return domain.end(started(), leaving(**changes), RULES, ACT)[0]


def test_an_accepted_referral_opens_a_pathway_in_the_first_stage() -> None:
    pathway, events = domain.open_pathway(accepted(), KAINUU, BY_ITSELF)
    assert kinds(events) == ["pathway.opened"]
    assert (pathway.id, pathway.version, pathway.stage) == (pathway_id("referral-1"), 1, "waiting")
    assert pathway.timeline[0].by is None


def test_the_id_of_a_pathway_never_changes() -> None:
    # A changed derivation would open every pathway again on a replay.
    assert pathway_id("referral-1") == "a82c75f9-1375-5b22-89ca-5714ba95d879"


def test_starting_records_entry_data_and_moves_on() -> None:
    pathway, events = domain.start(opened(), entry(), RULES, ACT)
    assert kinds(events) == ["participation.started", "pathway.stage-changed"]
    assert (pathway.version, pathway.stage, pathway.stage_since) == (3, "assessment", entry().started_on)
    assert missing(pathway.entry) == ()


def test_incomplete_entry_data_are_taken_and_what_is_missing_is_named() -> None:
    told = entry(employment_status=None, since=None, education=None, gender="not-stated")
    pathway, _ = domain.start(opened(), told, RULES, ACT)
    assert missing(pathway.entry) == ("employment_status", "education", "gender")
    assert missing(entry(since=None)) == ("since",)
    assert missing(entry(since=None, employment_status="student")) == ()


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"started_on": TODAY + timedelta(days=1)}, {("started_on", "in-future")}),
        ({"started_on": date(2025, 5, 31)}, {("started_on", "outside-programme")}),
        ({"since": date(2026, 1, 13)}, {("since", "after-start")}),
        ({"since": date(1900, 1, 1)}, {("since", "too-early")}),
        ({"employment_status": None}, {("since", "without-status")}),
        ({"employment_status": "retired"}, {("employment_status", "unknown-code")}),
        ({"gender": "female"}, {("gender", "unknown-code")}),
        (
            {"gender": "x", "started_on": date(2020, 1, 1), "since": None},
            {("gender", "unknown-code"), ("started_on", "outside-programme")},
        ),
    ],
)
def test_wrong_entry_data_are_refused_all_at_once(changes: dict[str, Any], wrong: set[Any]) -> None:
    with pytest.raises(Refused) as refused:
        domain.start(opened(), entry(**changes), RULES, ACT)
    assert set(refused.value.wrong) == wrong


def test_the_first_and_the_last_day_of_the_programme_are_inside() -> None:
    domain.start(opened(), entry(started_on=KAINUU.starts_on, since=None), RULES, ACT)
    with pytest.raises(Refused):
        domain.start(opened(), entry(started_on=KAINUU.starts_on - timedelta(days=1), since=None), RULES, ACT)


def test_a_second_start_is_refused() -> None:
    with pytest.raises(Refused, match="already-started"):
        domain.start(started(), entry(), RULES, ACT)


def test_a_stage_leads_only_where_the_definition_says() -> None:
    pathway, events = domain.change_stage(started(), "activity", date(2026, 2, 1), RULES, ACT)
    assert kinds(events) == ["pathway.stage-changed"]
    assert pathway.stage_since == date(2026, 2, 1)
    for elsewhere in ("waiting", "work", "activity", "nowhere"):
        with pytest.raises(Refused) as refused:
            domain.change_stage(pathway, elsewhere, date(2026, 2, 2), RULES, ACT)
        assert refused.value.wrong[0] == ("to_stage", "not-from-here")


def test_a_stage_change_lies_between_the_last_one_and_today() -> None:
    for day, code in ((date(2026, 1, 11), "before-last-change"), (TODAY + timedelta(days=1), "in-future")):
        with pytest.raises(Refused) as refused:
            domain.change_stage(started(), "activity", day, RULES, ACT)
        assert refused.value.wrong == (("on", code),)


def test_a_stage_changes_only_during_participation() -> None:
    with pytest.raises(Refused, match="not-started"):
        domain.change_stage(opened(), "assessment", TODAY, RULES, ACT)
    with pytest.raises(Refused, match="closed"):
        domain.change_stage(ended(), "activity", TODAY, RULES, ACT)


def test_ending_records_exit_data_and_closes_with_the_reason() -> None:
    pathway, events = domain.end(started(), leaving(reason="education"), RULES, ACT)
    assert kinds(events) == ["participation.ended", "pathway.closed"]
    assert (pathway.stage, pathway.outcome, pathway.closed_on) == ("education", "education", date(2026, 2, 20))
    assert pathway.version == 5 == len(pathway.timeline)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"ended_on": date(2026, 1, 11), "status_on": date(2026, 1, 11)}, ("ended_on", "before-start")),
        ({"ended_on": date(2026, 3, 3), "status_on": date(2026, 3, 2)}, ("ended_on", "in-future")),
        ({"status_on": date(2026, 2, 19)}, ("status_on", "before-end")),
        ({"ended_on": date(2026, 1, 20), "status_on": date(2026, 2, 18)}, ("status_on", "after-window")),
        ({"status_on": date(2026, 3, 3)}, ("status_on", "in-future")),
        ({"employment_status": "retired"}, ("employment_status", "unknown-code")),
        ({"reason": "bored"}, ("reason", "unknown-code")),
    ],
)
def test_wrong_exit_data_are_refused(changes: dict[str, Any], wrong: tuple[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        domain.end(started(), leaving(**changes), RULES, ACT)
    assert wrong in refused.value.wrong


def test_a_result_on_the_twenty_eighth_day_still_counts() -> None:
    domain.end(started(), leaving(ended_on=date(2026, 1, 20), status_on=date(2026, 2, 17)), RULES, ACT)


def test_who_never_started_leaves_without_exit_data() -> None:
    pathway, events = domain.close_unstarted(opened(), TODAY, "no-show", RULES, ACT)
    assert kinds(events) == ["pathway.closed"]
    assert (pathway.exit, pathway.outcome, pathway.stage) == (None, "no-show", "discontinued")
    with pytest.raises(Refused, match="not-started"):
        domain.end(opened(), leaving(), RULES, ACT)


def test_a_correction_keeps_old_and_new() -> None:
    pathway, events = domain.amend(started(education=None), entry(), None, "new-information", RULES, ACT)
    assert kinds(events) == ["participation.corrected"]
    (change,) = pathway.timeline[-1].changes
    assert (change.field, change.old, change.new) == ("entry.education", None, 3)
    assert pathway.timeline[-1].by == ACT.by


def test_a_corrected_reason_moves_the_closed_pathway_to_the_other_end() -> None:
    pathway, _ = domain.amend(ended(), entry(), leaving(reason="withdrew"), "mistake", RULES, ACT)
    assert (pathway.stage, pathway.outcome, pathway.stage_before_end) == ("discontinued", "withdrew", "assessment")


def test_a_correction_meets_the_same_rules_and_says_in_which_part() -> None:
    with pytest.raises(Refused) as refused:
        domain.amend(ended(), entry(started_on=date(2026, 2, 21)), leaving(), "bored", RULES, ACT)
    assert set(refused.value.wrong) == {("exit/ended_on", "before-start"), ("reason", "unknown-code")}


def test_a_correction_that_changes_nothing_is_refused() -> None:
    with pytest.raises(Refused, match="nothing-changed"):
        domain.amend(started(), entry(), None, "mistake", RULES, ACT)


def test_a_correction_neither_adds_nor_removes_an_end() -> None:
    with pytest.raises(Refused, match="not-ended"):
        domain.amend(started(), entry(), leaving(), "mistake", RULES, ACT)
    with pytest.raises(Refused, match="ended"):
        domain.amend(ended(), entry(), None, "mistake", RULES, ACT)


def test_reopening_takes_the_person_back_to_the_stage_and_voids_exit_data() -> None:
    pathway, events = domain.reopen(ended(), date(2026, 3, 1), "returned", RULES, ACT)
    assert kinds(events) == ["participation.reopened", "pathway.stage-changed"]
    assert (pathway.stage, pathway.exit, pathway.outcome, pathway.is_open) == ("assessment", None, None, True)
    assert {change.field for change in pathway.timeline[-2].changes} >= {"exit.ended_on", "exit.reason"}


def test_reopening_before_the_start_tells_of_no_participation() -> None:
    closed, _ = domain.close_unstarted(opened(), date(2026, 2, 1), "no-show", RULES, ACT)
    pathway, events = domain.reopen(closed, date(2026, 2, 2), "mistake", RULES, ACT)
    assert kinds(events) == ["pathway.stage-changed"]
    assert pathway.stage == "waiting"


def test_only_a_closed_pathway_is_reopened_and_not_before_its_end() -> None:
    with pytest.raises(Refused, match="not-closed"):
        domain.reopen(started(), TODAY, "returned", RULES, ACT)
    with pytest.raises(Refused) as refused:
        domain.reopen(ended(), date(2026, 2, 19), "returned", RULES, ACT)
    assert refused.value.wrong == (("on", "before-end"),)


def test_a_further_referral_joins_and_each_sender_hears_the_end() -> None:
    pathway, events = domain.attach_referral(started(), accepted("referral-2"), BY_ITSELF)
    assert kinds(events) == ["pathway.referral-attached"]
    after, closing = domain.end(pathway, leaving(), RULES, ACT)
    assert kinds(closing) == ["participation.ended", "pathway.closed", "pathway.closed"]
    assert [event.referral_id for event in closing[1:]] == ["referral-1", "referral-2"]  # type: ignore[attr-defined]
    assert after.version == len(after.timeline)
    with pytest.raises(Refused, match="closed"):
        domain.attach_referral(after, accepted("referral-3"), BY_ITSELF)
