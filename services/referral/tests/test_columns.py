"""Headings and cells as people write them become fields; a copy of the file says what became of each line."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polku_referral.files.columns import columns, is_known, labels_of, layout, letters, path_of, rows_of
from polku_referral.files.comma import read_csv, write_csv
from polku_referral.files.copy import rows_of_copy
from polku_referral.files.table import DANGEROUS, Line, Table, Unread, defused, plain
from polku_referral.model.code_map import CodeMap
from polku_web.codes import read_codes
from polku_web.problems import Problem

from .material import AINO

LABELS = labels_of(read_codes("polku_referral"), None)


@pytest.mark.parametrize(
    "heading",
    [
        "external_id",
        "EXTERNAL_ID ",
        "lähettäjän tunniste",
        "Lähettäjän  tunniste*",
        "Avsändarens_identifierare:",
        "viite",
    ],
)
def test_a_heading_is_known_however_it_is_written(heading: str) -> None:
    assert path_of(heading) == "external_id"


def test_no_heading_means_two_things() -> None:
    named = [name for path, one in columns().items() for name in (path, *one.fi, *one.sv)]
    assert all(is_known(name) for name in named)
    meant = {path: {path_of(name) for name in (path, *one.fi, *one.sv)} for path, one in columns().items()}
    assert all(paths == {path} for path, paths in meant.items())


def needed() -> list[str]:
    return [path for path, one in columns().items() if one.needed] + ["Hetu"]


def test_headings_that_are_wrong_are_named() -> None:
    with pytest.raises(Problem) as caught:
        layout([*needed()[1:], "Kengännumero", AINO, "sukunimi"])
    said = [(error.pointer, error.code) for error in caught.value.errors]
    last = letters(len(needed()))
    assert said == [
        (f"/{letters(len(needed()) - 1)}", "unknown-column"),
        (f"/{last}", "unknown-column"),
        (f"/{letters(len(needed()) + 1)}", "duplicate-column"),
        ("/external_id", "missing-column"),
    ]
    messages = [error.message.values["column"] for error in caught.value.errors]  # type: ignore[union-attr]
    assert messages == [
        "Kengännumero",
        last,
        "sukunimi",
        "external_id (Lähettäjän tunniste, Avsändarens identifierare)",
    ]


def test_without_headings_nothing_of_the_first_line_is_said() -> None:
    with pytest.raises(Problem) as caught:
        layout(["Aino", "Testinen", AINO])
    assert [(error.pointer, error.code) for error in caught.value.errors] == [("", "no-headings")]


def test_letters_are_those_of_a_spreadsheet() -> None:
    assert [letters(place) for place in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]


def row(cells: dict[str, Any], *more: Any, own: CodeMap | None = None) -> tuple[dict[str, Any], Any]:
    there = {path_of(heading) for heading in cells}
    headings = [*cells, *(heading for heading in needed() if path_of(heading) not in there)]
    values = [cells.get(heading, "") for heading in headings]
    table = Table("csv", headings, [Line(2, [*values, *more])])
    labels = LABELS if own is None else labels_of(read_codes("polku_referral"), own)
    (found,) = rows_of(table, layout(headings), labels, "digest")
    assert found.sha256 == "digest"
    return json.loads(found.raw), found.faults


def test_cells_become_a_body() -> None:
    body, faults = row(
        {
            "viite": "A-1",
            "Lähetetty": "5.3.2026",
            "Syntymäaika": "05.03.1990",
            "Kotikunta": "5",
            "Turvakielto": "Kyllä",
            "Tavoitteet": "Työ; koulutus, fame",
            "Ohjaava taho": "työllisyyspalvelu",
            "Äidinkieli": "svenska",
            "Sukunimi": "",
            "tila": "to be corrected",
        }
    )
    assert body == {
        "external_id": "A-1",
        "referred_on": "2026-03-05",
        "route": "employment-service",
        "person": {
            "date_of_birth": "1990-03-05", "municipality": "005", "protected_address": True, "language": "sv",
        },
        "reason": {"goals": ["work", "education", "fame"]},
        "ground": {}, "labour_market": {}, "sender": {},
    }  # fmt: skip
    assert faults == ()


def test_what_is_neither_yes_nor_no_is_left_for_the_model() -> None:
    values = [row({"Turvakielto": said})[0]["person"].get("protected_address") for said in ("ei", "0", "ehkä", "")]
    assert values == [False, False, "ehkä", None]


def test_a_senders_own_code_stays_its_own() -> None:
    own = CodeMap(service={"TYÖTOIMINTA": "group-activity"})
    assert row({"Palvelu": "Työtoiminta"}, own=own)[0]["service"] == "Työtoiminta"
    assert row({"Palvelu": "Työtoiminta"})[0]["service"] == "work-activity"


def test_cells_that_say_nothing_are_faults_of_their_column() -> None:
    body, faults = row({"viite": Unread("formula", "=A1")}, "one too many")
    assert ("external_id" in body, [tuple(one) for one in faults]) == (
        False,
        [("external_id", "formula"), ("", "more-cells")],
    )


@given(st.text(max_size=10))
def test_no_cell_of_a_copy_is_calculated_and_all_come_back(text: str) -> None:
    assert not defused(text).startswith(DANGEROUS)
    if not text.startswith("'"):
        assert plain(defused(text)) == text


def test_a_copy_is_the_file_with_verdicts_in_their_lines() -> None:
    table = Table(
        "csv", ["viite", "tila", "puhelin"], [Line(2, ["A-1", "old", "+358"]), Line(5, [Unread("formula", "=1")])]
    )
    rows = rows_of_copy(table, {2: ("in order", ""), 5: ("to be corrected", "=x")})
    assert rows == [
        ["viite", "puhelin", "tila", "virhe"],
        ["A-1", "'+358", "in order", ""],
        [],
        [],
        ["'=1", "", "to be corrected", "'=x"],
    ]
    again = read_csv(write_csv(rows, "cp1252", ";"), is_known)
    assert again.lines[0].cells[:2] == ["A-1", "+358"]
    assert [line.number for line in again.lines] == [2, 5]
