"""`polku-client` as a person or a script runs it: what it prints, and how it ends."""

import json
from typing import Any

import pytest

from ..serving import Serving, until
from .conftest import Shell
from .material import referral


def test_all_in_and_again(shell: Shell) -> None:
    file = shell.file(referral(), referral(number=1))
    for status in ("created", "repeated"):
        done = shell.known("push", file)
        assert done.returncode == 0
        assert done.stderr == f"polku: 2 {status}\n"
        assert done.stdout.count(status) == 2


def test_partly_with_a_table_of_what_is_wrong(shell: Shell) -> None:
    bad = referral(number=1)
    bad["person"]["identity_code"] = "010594Y9033"
    file = shell.file(referral(), bad)
    for command in ("check", "push"):
        done = shell.known(command, file, POLKU_CLIENT_LANGUAGE="fi")
        assert done.returncode == 2
        assert "/person/identity_code" in done.stdout
        assert "\x1b" not in done.stdout
    told = json.loads(shell.known("push", file, "--json").stdout)
    assert told["counts"] == {"repeated": 1, "refused": 1}
    taken, refused = told["results"]
    assert taken["receipt"].count(".") == 2
    assert (refused["line"], refused["problem"]["errors"][0]["pointer"]) == (2, "/person/identity_code")
    kept_out = json.loads(shell.known("push", shell.file(referral(), bad), "--atomic", "--json").stdout)
    assert kept_out["counts"] == {"not-written": 1, "refused": 1}
    assert shell.known("push", shell.file(bad)).returncode == 1


def test_status_by_own_ids(shell: Shell) -> None:
    body = referral()
    shell.known("push", "-", given=json.dumps(body, default=str))
    assert "received" in shell.known("status", body["external_id"]).stdout
    assert shell.known("status", body["external_id"], "TE-0").returncode == 2
    assert shell.known("status", "TE-0").returncode == 1
    [told] = json.loads(shell.known("status", body["external_id"], "--json").stdout)
    assert told["external_id"] == body["external_id"]


def test_taking_back_by_own_id(shell: Shell) -> None:
    body = referral()
    shell.known("push", shell.file(body))
    done = shell.known("withdraw", body["external_id"], "--reason", "sent-in-error")
    assert (done.returncode, "withdrawn" in done.stdout) == (0, True)
    again = shell.known("withdraw", body["external_id"], "--reason", "sent-in-error", "--json")
    assert (again.returncode, json.loads(again.stdout)["problem"]["code"]) == (1, "wrong-state")
    assert shell.known("withdraw", "TE-0", "--reason", "sent-in-error").returncode == 1


def test_events_go_on_from_the_kept_cursor(shell: Shell) -> None:
    body = referral()
    shell.known("push", shell.file(body))
    kept = ("events", "--cursor-file", "cursor.txt")
    first = until(lambda: shell.known(*kept).stdout)
    assert first.split()[-2:] == [body["external_id"], "referral.received"]
    assert shell.known(*kept).stdout == ""
    [told] = [json.loads(line) for line in shell.known("events", "--json").stdout.splitlines()]
    assert told["cursor"] == (shell.folder / "cursor.txt").read_text()


def test_connection_by_options_and_environment(shell: Shell, polku: Serving) -> None:
    options = ("--url", polku.address, "--client-id", shell.machine.client_id, "--key", "private.pem")
    assert shell(*options, "status", "TE-0").stderr == "polku: 1 not known\n"
    environment = {"POLKU_CLIENT_URL": polku.address, "POLKU_CLIENT_ID": shell.machine.client_id}
    assert shell("status", "TE-0", POLKU_CLIENT_KEY="private.pem", **environment).stderr == "polku: 1 not known\n"
    told = shell("status", "TE-0", **environment)
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert "--key" in told.stderr


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.json", None, "cannot be read"),
        ("latin.json", "ä".encode("latin-1"), "not UTF-8"),
        ("broken.ndjson", b'{"external_id": "A"}\n{"external', "broken.ndjson:2 is not JSON"),
        ("list.json", b"[1]", "list.json:1 is no JSON object"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_in_one_line(shell: Shell, name: str, content: Any, words: str) -> None:
    if content is not None:
        (shell.folder / name).write_bytes(content)
    done = shell.known("push", name)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("said", "words"), [("url = 1", "no text"), ("urli = ''", "urli"), ("=", "TOML")])
def test_a_profile_that_is_wrong_is_named(shell: Shell, said: str, words: str) -> None:
    (shell.folder / "wrong.toml").write_text(said)
    done = shell("--profile", "wrong.toml", "status", "TE-0")
    assert done.returncode == 1
    assert words in done.stderr
