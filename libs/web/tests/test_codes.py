"""Code lists: what may be chosen on a day, and what a code is called for ever."""

import importlib
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from polku_web.codes import Code, Codes, read_codes

DAY = date(2026, 3, 2)
FERRY = {"code": "ferry", "fi": "Lautta", "sv": "Färja", "en": "Ferry"}
SLEDGE = {"code": "sledge", "fi": "Reki", "sv": "Släde", "en": "Sledge"}


def codes(**validity: object) -> Codes:
    """A list of two, of which the second has the validity."""
    return Codes({"route": [Code.model_validate(FERRY), Code.model_validate({**SLEDGE, **validity})]})


@pytest.mark.parametrize(
    ("validity", "is_usable"),
    [
        ({}, True),
        ({"from": "2026-03-02"}, True),
        ({"from": "2026-03-03"}, False),
        ({"until": "2026-03-02"}, True),
        ({"until": "2026-03-01"}, False),
        ({"from": "2026-03-02", "until": "2026-03-02"}, True),
    ],
)
def test_a_code_is_usable_from_its_first_day_to_its_last(validity: dict[str, str], is_usable: bool) -> None:
    lists = codes(**validity)
    assert lists.allows("route", "sledge", DAY) is is_usable
    assert [code for code, _ in lists.options("route", "en", DAY)] == ["ferry", "sledge"][: 1 + is_usable]
    assert [row["code"] for row in lists.data(DAY)["route"]] == ["ferry", "sledge"][: 1 + is_usable]


def test_a_code_out_of_use_keeps_its_label() -> None:
    assert codes(until="2020-12-31").label("route", "sledge", "sv") == "Släde"


def test_an_unknown_code_is_not_allowed_and_shows_itself() -> None:
    assert not codes().allows("route", "balloon", DAY)
    assert codes().label("route", "balloon", "fi") == "balloon"
    assert codes().label("route", None, "fi") == ""
    assert codes().label("route", "", "fi") == ""


def test_options_follow_the_file_and_the_language() -> None:
    assert codes().options("route", "fi", DAY) == [("ferry", "Lautta"), ("sledge", "Reki")]
    assert codes().options("route", "en", DAY) == [("ferry", "Ferry"), ("sledge", "Sledge")]


def test_a_list_of_numbers_stays_one() -> None:
    lists = Codes({"education": [Code.model_validate({**FERRY, "code": 0})]})
    assert (lists.allows("education", 0, DAY), lists.allows("education", "0", DAY)) == (True, False)
    assert (lists.label("education", 0, "en"), lists.label("education", 9, "en")) == ("Ferry", "9")
    assert lists.options("education", "en", DAY) == [(0, "Ferry")]
    assert lists.data(DAY)["education"][0]["code"] == 0


def test_machines_get_all_languages_and_no_validity() -> None:
    assert codes(until="2026-12-31").data(DAY) == {"route": [FERRY, SLEDGE]}


def test_an_unknown_list_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        codes().options("rout", "fi", DAY)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `lists_of_a_test` whose file the test writes."""
    folder = tmp_path / "lists_of_a_test"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lists_of_a_test", raising=False)
    importlib.invalidate_caches()
    read_codes.cache_clear()
    yield folder / "data" / "codes.yaml"
    read_codes.cache_clear()


def test_a_file_is_read_as_it_stands(package: Path) -> None:
    package.write_text("route:\n  - {code: ferry, fi: Lautta, sv: Färja, en: Ferry, from: 2026-01-01}\n", "utf-8")
    lists = read_codes("lists_of_a_test")
    assert lists.allows("route", "ferry", date(2026, 1, 1))
    assert not lists.allows("route", "ferry", date(2025, 12, 31))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- ferry",
        "route:",
        "route: [{code: ferry, fi: Lautta, sv: Färja}]",
        "route: [{code: ferry, fi: Lautta, sv: Färja, en: No}]",
        "route: [{code: ferry, fi: Lautta, sv: Färja, en: Ferry, colour: red}]",
        "route: [{code: ferry, fi: Lautta, sv: Färja, en: Ferry, until: later}]",
        "route: [{code: a, fi: A, sv: A, en: A}, {code: a, fi: B, sv: B, en: B}]",
        "route: [{code: a, fi: A, sv: A, en: A, from: 2026-01-02, until: 2026-01-01}]",
        "route: [{code: no, fi: A, sv: A, en: A}]",
        "route: [{code: '105', fi: A, sv: A, en: A}, {code: 205, fi: B, sv: B, en: B}]",
    ],
)
def test_a_file_that_does_not_hold_together_stops_the_start(package: Path, text: str) -> None:
    package.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"."):
        read_codes("lists_of_a_test")
