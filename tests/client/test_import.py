"""Files from the command line: checked, confirmed, taken in; the copy tells line by line what became of it."""

import csv
from pathlib import Path

import pytest

from polku_client import PolkuProblem, verify_receipt

from ..serving import Serving
from .conftest import Shell
from .material import CODES, referral

HEADINGS = (
    "Lähettäjän tunniste;Ohjelma;Ohjaava taho;Palvelu;Lähetetty;Henkilötunnus;Etunimet;Sukunimi;Kotikunta;"
    "Peruste;Peruste annettu;Työmarkkina-asema;Yksikkö;Lähettäjä"
)


def line(number: int, **changes: str) -> str:
    told = {
        "id": str(referral()["external_id"]),
        "route": "Työllisyyspalvelu",
        "day": "2.3.2026",
        "code": CODES[number],
    } | changes
    return (
        f"{told['id']};Kainuu;{told['route']};Työtoiminta;{told['day']};{told['code']};Äinö;Esimerkki;205;"
        "Suostumus;1.3.2026;Työtön;Esimerkkiyksikkö;Essi Esimerkki"
    )


def write(folder: Path, *lines: str, encoding: str = "cp1252") -> Path:
    file = folder / "lahetteet.csv"
    file.write_bytes("\r\n".join([HEADINGS, *lines, ""]).encode(encoding))
    return file


def test_a_file_is_asked_about_before_it_is_taken_in(shell: Shell) -> None:
    write(shell.folder, line(0), line(1))
    refused = shell.known("import", "lahetteet.csv", given="n\n")
    assert (refused.returncode, "2 of 2 lines are in order" in refused.stderr) == (1, True)
    assert shell.known("import", "lahetteet.csv").returncode == 1  # nobody there to say yes
    done = shell.known("import", "lahetteet.csv", given="y\n")
    assert (done.returncode, done.stderr.endswith("polku: 2 created\n")) == (0, True)
    again = shell.known("import", "lahetteet.csv", "--yes")
    assert (again.returncode, again.stderr.splitlines()[-1]) == (0, "polku: 2 repeated")
    assert not (shell.folder / "lahetteet.tila.csv").exists()


def test_lines_that_are_wrong_keep_all_out_unless_told_otherwise(shell: Shell) -> None:
    file = write(shell.folder, line(0), line(1, code="010594Y9033"), line(2, day="31.2.2026"), line(3))
    file.chmod(0o600)
    done = shell.known("import", file.name, "--yes", POLKU_CLIENT_LANGUAGE="fi")
    assert done.returncode == 1
    assert "2 of 4 lines are in order" in done.stderr
    assert done.stderr.splitlines()[-1] == "polku: 2 not-written, 2 refused"
    assert "Henkilötunnus" in done.stdout
    assert "Lähetetty" in done.stdout

    done = shell.known(
        "import", file.name, "--yes", "--valid-rows", "--report", "kopio.csv", POLKU_CLIENT_LANGUAGE="fi"
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, "polku: 2 created, 2 refused")
    copy = shell.folder / "kopio.csv"
    assert copy.stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader(copy.read_text("cp1252").splitlines(), delimiter=";"))
    assert [bool(row["virhe"]) for row in rows] == [False, True, True, False]
    assert rows[1]["virhe"].startswith("Henkilötunnus: ")
    assert rows[0]["tila"] == rows[3]["tila"] != rows[1]["tila"]


def test_a_file_that_became_a_job_is_copied_too(shell: Shell) -> None:
    file = write(shell.folder, *[line(1, day="31.2.2026")] * 1000, line(0))
    done = shell.known("import", file.name, "--yes", "--json", POLKU_CLIENT_LANGUAGE="fi")
    assert done.returncode == 1
    text = (shell.folder / "lahetteet.tila.csv").read_text("cp1252")
    rows = list(csv.DictReader(text.splitlines(), delimiter=";"))
    assert [row["tila"] for row in rows] == ["korjattava"] * 1000 + ["kunnossa"]
    assert rows[0]["virhe"].startswith("Lähetetty: ")


def test_a_receipt_of_a_line_is_about_the_file(polku: Serving, tmp_path: Path) -> None:
    file = write(tmp_path, line(0), line(1), encoding="utf-8-sig")
    with polku.client() as sender:
        taken = sender.import_file(file, confirm=True)
        keys = sender.receipt_keys()
    for one in taken:
        assert one.receipt
        assert verify_receipt(one.receipt, file.read_bytes(), keys).referral_id == one.id


def test_a_file_without_known_headings_is_a_problem(polku: Serving, tmp_path: Path) -> None:
    file = tmp_path / "muu.csv"
    file.write_text("a;b\n1;2\n")
    with polku.client() as sender, pytest.raises(PolkuProblem) as refused:
        sender.import_file(file)
    assert refused.value.status == 422
