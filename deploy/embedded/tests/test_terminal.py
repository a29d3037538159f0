"""What `polku` says to somebody at a terminal of 80 columns, also before anything is set up."""

import sys
from pathlib import Path

import pytest

from polku_embedded.cli import main
from polku_embedded.console import print_table


@pytest.fixture(autouse=True)
def _terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLKU_DATA", str(tmp_path / "nothing"))
    monkeypatch.delenv("POLKU_SESSION_KEYS", raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> SystemExit:
    monkeypatch.setattr(sys, "argv", ["polku", *arguments])
    with pytest.raises(SystemExit) as found:
        main()
    return found.value


@pytest.mark.parametrize("command", [("organisation", "list"), ("dead-letters", "list", "referral"), ("rebuild",)])
def test_before_anything_is_set_up_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, command: tuple[str]) -> None:
    said = str(ended(monkeypatch, *command))
    assert "nothing is set up in" in said
    assert "run polku up" in said
    assert "\n" not in said


@pytest.mark.parametrize(("text", "what"), [(None, "cannot be read: No such file"), ("- 1", "is no file of topics")])
def test_a_file_of_topics_that_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, what: str
) -> None:
    path = tmp_path / "topics.yaml"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("POLKU_SESSION_KEYS", "x")
    assert what in str(ended(monkeypatch, "topics", "apply", "--file", str(path)))


def test_dropping_nothing_is_not_done(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(monkeypatch, "dead-letters", "drop", "referral").code == 1
    assert capsys.readouterr().err == "polku: name the letters\n"


def test_what_is_typed_on_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = "polku.referral.submitted.v1"
    row = {"id": "11-1234567", "reason": "handler-error", "error": "e" * 90, "event_type": long, "origin": "o" * 60}
    print_table("dead letters", [row])
    said = capsys.readouterr().out
    assert "11-1234567" in said
    assert "…" not in said  # other cells are broken into lines
    assert max(map(len, said.splitlines())) <= 80
