"""The personal identity code, rule by rule. All codes here are of the artificial range."""

from datetime import date
from itertools import product

import pytest

from polku_referral.model.identity import CENTURIES, CHECK, IdentityCode, age_on, holds_code, parse

from .material import TODAY

VALID = [
    "010594Y9032",
    "010594Y9021",
    "020594X903P",
    "020594X902N",
    "030594W903B",
    "030694W9024",
    "040594V9030",
    "040594V902Y",
    "050594U903M",
    "050594U902L",
    "010516B903X",
    "010516B902W",
    "020516C903K",
    "020516C902J",
    "030516D9037",
    "030516D9026",
    "010501E9032",
    "020502E902X",
    "020503F9037",
    "020504A902E",
    "020504B904H",
    "100190-999P",
    "100190Y999P",
]


def made(front: str, number: int | str) -> str:
    """`made("010594-", 903)` with the right check character."""
    digits = f"{front[:6]}{number:>03}"
    return f"{front}{number:>03}{CHECK[int(digits) % 31]}"


@pytest.mark.parametrize("code", VALID)
def test_codes_that_hold(code: str) -> None:
    found = parse(code, "artificial", TODAY)
    assert isinstance(found, IdentityCode)
    assert found.code == code
    assert (found.born.day, found.born.month, found.born.year % 100) == (int(code[:2]), int(code[2:4]), int(code[4:6]))
    assert parse(code, "real", TODAY) == "artificial"


def test_the_middle_character_is_part_of_the_identity() -> None:
    one, other = parse("100190-999P", "artificial", TODAY), parse("100190Y999P", "artificial", TODAY)
    assert isinstance(one, IdentityCode)
    assert isinstance(other, IdentityCode)
    assert one.born == other.born
    assert one != other


@pytest.mark.parametrize(("marks", "century"), [("+", 1800), ("-YXWVU", 1900), ("ABCDEF", 2000)])
def test_centuries(marks: str, century: int) -> None:
    for mark in marks:
        found = parse(made(f"010101{mark}", 901), "artificial", TODAY)
        assert isinstance(found, IdentityCode), mark
        assert found.born == date(century + 1, 1, 1)
    assert set("+-YXWVUABCDEF") == set(CENTURIES)


@pytest.mark.parametrize("mark", [*"GHIJKLMNOPQRSTZabcyxw*/ 0−–"])
def test_marks_that_are_none(mark: str) -> None:
    assert parse(f"010594{mark}9032", "artificial", TODAY) == "form"


@pytest.mark.parametrize(
    "text",
    [
        "", "010594Y903", "010594Y90321", " 010594Y9032", "010594Y9032 ", "010594Y9032\n", "010594y9032",
        "010594 Y9032", "01.05.94Y9032", "010594Y903a", "010594Y903Z", "01059４Y9032", "٠١٠٥٩٤Y9032", "010594Y9032\0",
        "010594903Y2", "19940501-9032",
    ],
)  # fmt: skip
def test_forms_that_are_none(text: str) -> None:
    assert parse(text, "artificial", TODAY) == "form"


def test_check_characters_that_are_never_used() -> None:
    assert set("GIOQZ").isdisjoint(CHECK)
    for letter in "GIOQ":
        assert parse(f"010594Y903{letter}", "artificial", TODAY) == "check"


def test_only_one_check_character_fits() -> None:
    fits = [c for c in CHECK if isinstance(parse(f"010594Y903{c}", "artificial", TODAY), IdentityCode)]
    assert fits == ["2"]


@pytest.mark.parametrize(
    ("front", "exists"),
    [
        ("290224A", True), ("290223A", False), ("290200A", True), ("290200-", False), ("290200+", False),
        ("310494-", False), ("300294-", False), ("000194-", False), ("010094-", False), ("011394-", False),
        ("320194-", False), ("311294-", True),
    ],
)  # fmt: skip
def test_the_day_must_exist_in_its_century(front: str, exists: bool) -> None:
    found = parse(made(front, 902), "artificial", TODAY)
    assert isinstance(found, IdentityCode) if exists else found == "date"


@pytest.mark.parametrize("number", [0, 1])
def test_numbers_not_in_use(number: int) -> None:
    for which in ("artificial", "real"):
        assert parse(made("010594-", number), which, TODAY) == "number"  # type: ignore[arg-type]


def test_the_two_ranges_never_meet() -> None:
    for number in (2, 899, 900, 999):
        code = made("010594-", number)
        outcomes = [parse(code, which, TODAY) for which in ("artificial", "real")]  # type: ignore[arg-type]
        taken = [isinstance(outcome, IdentityCode) for outcome in outcomes]
        assert taken == [number >= 900, number < 900]
    assert parse(made("010594-", 2), "artificial", TODAY) == "not-artificial"


def test_the_published_example_that_is_wrong() -> None:
    assert parse("010190-999K", "artificial", TODAY) == "check"
    assert isinstance(parse("010190-999W", "artificial", TODAY), IdentityCode)


def test_born_today_and_tomorrow() -> None:
    assert isinstance(parse(made("020326A", 902), "artificial", TODAY), IdentityCode)
    assert parse(made("030326A", 902), "artificial", TODAY) == "future"


def test_the_order_of_complaints_does_not_depend_on_the_range() -> None:
    assert {parse("010594Y9033", which, TODAY) for which in ("artificial", "real")} == {"check"}  # type: ignore[arg-type]


def test_every_number_and_century_against_the_rule() -> None:
    for mark, number in product("-YA", range(900, 1000)):
        assert isinstance(parse(made(f"150388{mark}", number) if mark != "A" else made("150308A", number), "artificial", TODAY), IdentityCode)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("010594Y9032", True), ("TE-010594Y9032", True), ("te/010594y9032.x", True), ("010594Y9033", False),
        ("TE-20261120-0001", False), ("A010594Y9032", False), ("010594Y90321", False), ("", False),
    ],
)  # fmt: skip
def test_codes_hidden_in_other_text(text: str, holds: bool) -> None:
    assert holds_code(text) is holds


@pytest.mark.parametrize(
    ("born", "day", "age"),
    [
        (date(1994, 5, 1), date(2026, 4, 30), 31), (date(1994, 5, 1), date(2026, 5, 1), 32),
        (date(2004, 2, 29), date(2026, 2, 28), 21), (date(2004, 2, 29), date(2026, 3, 1), 22),
        (date(2004, 2, 29), date(2024, 2, 29), 20), (date(2026, 3, 2), date(2026, 3, 2), 0),
        (date(2026, 3, 2), date(2026, 3, 1), -1),
    ],
)  # fmt: skip
def test_full_years(born: date, day: date, age: int) -> None:
    assert age_on(born, day) == age
