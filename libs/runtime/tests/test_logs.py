"""No personal data in a log line, not even by accident."""

import io
import json
import logging

import pytest

from polku_runtime import logs


@pytest.fixture
def lines() -> io.StringIO:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def test_an_exception_is_a_class_and_places_never_its_message(lines: io.StringIO) -> None:
    logs.configure("referral", "INFO", lines)
    try:
        raise ValueError("Matti Meikäläinen")
    except ValueError:
        logging.getLogger("x").exception("could not do it")
    line = json.loads(lines.getvalue())
    assert line["exception"] == "ValueError"
    assert "Meikäläinen" not in lines.getvalue()
    assert any("test_logs.py" in place for place in line["at"])


def test_what_looks_like_an_identity_code_is_taken_out_and_counted(lines: io.StringIO) -> None:
    formatter = logs.configure("referral", "INFO", lines)
    logging.getLogger("x").info("got 010594Y9032 from somewhere")
    assert "010594Y9032" not in lines.getvalue()
    assert formatter.redactions == 1


def test_only_listed_fields_are_written(lines: io.StringIO) -> None:
    logs.configure("referral", "INFO", lines)
    logging.getLogger("x").info("done", extra={"event_id": "e1", "family_name": "Meikäläinen"})
    line = json.loads(lines.getvalue())
    assert line["event_id"] == "e1"
    assert "family_name" not in line
