"""The programme's path as data: what a definition must fulfil before anybody walks it."""

from typing import Any

import pytest
from pydantic import ValidationError

from polku_pathway.model.definition import Definition

from .material import CATALOGUE, KAINUU

LABELS = {"fi": "x", "sv": "x", "en": "x"}


def path(**changes: Any) -> dict[str, Any]:
    """a → b → done, with `started: b`."""
    whole = {
        "programme": "small",
        "version": 1,
        "labels": LABELS,
        "starts_on": "2026-01-01",
        "ends_on": "2026-12-31",
        "initial": "a",
        "started": "b",
        "stages": [stage("a", "b"), stage("b", "done")],
        "ends": [end("done", "work")],
    }
    return {**whole, **changes}


def stage(code: str, *following: str) -> dict[str, Any]:
    return {"code": code, "labels": LABELS, "expected_days": 7, "next": following}


def end(code: str, *reasons: str) -> dict[str, Any]:
    return {"code": code, "labels": LABELS, "reasons": reasons}


def test_kainuu_holds_together() -> None:
    # Given the file that is delivered, when it is read, then every closing reason leads somewhere.
    assert KAINUU.initial == "waiting"
    reasons = [code.code for code in CATALOGUE.codes.usable("closing_reason", KAINUU.starts_on)]
    assert {KAINUU.end_for(str(reason)).code for reason in reasons} == {end.code for end in KAINUU.ends}  # type: ignore[union-attr]


def test_the_shortest_path_is_accepted() -> None:
    assert Definition.model_validate(path()).steps_from("a")[0].code == "b"


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (path(stages=[stage("a", "b"), stage("b", "done"), stage("c", "done")]), "nothing leads to"),
        (path(stages=[stage("a", "b", "c"), stage("b", "done"), stage("c")]), "no end can be reached"),
        (path(stages=[stage("a", "b", "c"), stage("b", "done"), stage("c", "c")]), "no end can be reached"),
        (path(ends=[end("done", "work"), end("lost", "other")]), "nothing leads to"),
        (path(stages=[stage("a", "b"), stage("b", "done", "nowhere")]), "unknown stages"),
        (path(initial="nowhere"), "unknown stages"),
        (path(started="a"), "cannot be reached from the initial"),
        (path(stages=[stage("a", "b"), stage("b", "done"), stage("a", "done")]), "twice"),
        (
            path(stages=[stage("a", "b"), stage("b", "done", "end")], ends=[end("done", "work"), end("end", "work")]),
            "closing reason is there twice",
        ),
        (path(ends_on="2025-12-31"), "ends before it starts"),
        (path(labels={"fi": "x", "sv": "x"}), "fi, sv and en"),
        (path(colour="red"), "Extra inputs"),
    ],
)
def test_a_broken_path_is_refused_when_read(broken: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Definition.model_validate(broken)
