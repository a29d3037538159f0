"""The guide for authorities keeps its word: every block on it is run, in order, against a real installation.

Bash blocks share variables and functions as in one terminal, Python blocks share names as in one session and see
bash's variables in `os.environ`. What a section printed is looked at afterwards.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from polku_client.problems import PolkuError

from .installation import ROOT, Installation, installed

GUIDE = ROOT / "docs" / "integrating.md"
LANGUAGES = ("bash", "python")


@dataclass(frozen=True)
class Block:
    """line: in the guide. section: the heading above it, without its number."""

    line: int
    section: str
    language: str
    code: str


def blocks(text: str) -> list[Block]:
    """Every fenced block. Raises for one that is of no language that is run: it could say anything."""
    found, section, opened, lines = [], "", "", text.split("\n")
    start, code = 0, list[str]()
    for number, line in enumerate(lines, start=1):
        if line.startswith("```"):
            if opened:
                found.append(Block(start, section, opened, "\n".join(code) + "\n"))
                opened = ""
            else:
                opened, start, code = line.removeprefix("```"), number, []
                assert opened in LANGUAGES, f"line {number}: a block of {opened or 'nothing'} cannot be run"
        elif opened:
            code.append(line)
        elif line.startswith("## "):
            section = re.sub(r"^[0-9. ]+", "", line.removeprefix("## "))
    return found


@dataclass
class Reader:
    """Somebody who types what the guide says. said: section → what its blocks printed."""

    folder: Path
    session: Path
    environment: dict[str, str]
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "guide"})
    said: dict[str, list[str]] = field(default_factory=dict)

    def run(self, block: Block) -> None:
        said = self.bash(block) if block.language == "bash" else self.python(block)
        self.said.setdefault(block.section, []).append(said)

    def bash(self, block: Block) -> str:
        keep = f'{{ export -p; declare -f; }} > "{self.session}"'
        script = f'set -euo pipefail -a\n[ ! -f "{self.session}" ] || . "{self.session}"\n{block.code}\n{keep}'
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"integrating.md:{block.line}: {done.stderr}\n{done.stdout}"
        return done.stdout

    def python(self, block: Block) -> str:
        out, before = io.StringIO(), Path.cwd()
        # As many lines above as there are in the guide, so that a traceback names the guide's line.
        code = compile("\n" * block.line + block.code, str(GUIDE), "exec")
        with patch.dict(os.environ, self.variables(), clear=True), contextlib.redirect_stdout(out):
            os.chdir(self.folder)
            try:
                exec(code, self.names)
            finally:
                os.chdir(before)
        return out.getvalue()

    def variables(self) -> dict[str, str]:
        """What the terminal's variables are now."""
        if not self.session.exists():
            return self.environment
        command = ["bash", "-c", f'. "{self.session}"; env -0']
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return dict(line.partition("=")[::2] for line in done.stdout.split("\0") if "=" in line)


@contextlib.contextmanager
def receiver(reader: Reader) -> Iterator[str]:
    """A web server that gives each delivery to the guide's `receive`, once the guide has defined it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receive: Callable[..., tuple[int, str]] = reader.names.get("receive", lambda *_: (503, ""))
            status, said = receive(body, dict(self.headers))
            self.send_response(status)
            self.send_header("content-length", str(len(said.encode())))
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, *said: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/polku"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def open_installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One that lets webhooks lead to this machine, as an operator of a closed network would."""
    allowed = patch.dict(os.environ, {"POLKU_WEBHOOK_ALLOW": "127.0.0.1"})
    with allowed, installed(tmp_path_factory.mktemp("polku")) as running:
        yield running


def values(text: str) -> list[Any]:
    """The JSON values in what was printed, one after the other."""
    decoder, found = json.JSONDecoder(), []
    while text := text.lstrip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


def test_every_block_of_the_guide_works_as_it_stands(open_installation: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "developer"
    folder.mkdir()
    environment = {
        **open_installation.environment,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "POLKU": open_installation.address,
        "NO_COLOR": "1",
    }
    reader = Reader(folder, tmp_path / "session", environment)
    with receiver(reader) as address:
        environment["RECEIVER"] = address
        for block in blocks(GUIDE.read_text("utf-8")):
            try:
                reader.run(block)
            except PolkuError as error:
                raise AssertionError(f"integrating.md:{block.line}: {error!r}") from error
    said = reader.said
    for section, look in LOOKS.items():
        look(*said[section])


def first_referral(*said: str) -> None:
    *_, pushed, by_python, by_command = said
    dry, first = values(pushed)
    assert dry["dry_run"] is dry["valid"] is True
    assert (first["state"], first["test"]) == ("received", True)
    assert first["receipt"].count(".") == 2
    assert by_python.split()[0] == "received"
    assert "repeated" in by_command  # by the same id and content, whoever sends it


def what_it_says(_: str, wrong: str) -> None:
    assert wrong.strip() == "422 invalid [('/person/identity_code', 'identity-check')]"


def what_happens(question: str, race: str, corrected: str, by_command: str) -> None:
    asked, accepted = question.splitlines()
    assert asked.startswith("question Onko kuljetus järjestetty? by 20")
    assert accepted == "received accepted ('request-withdrawal',)"
    assert race.splitlines() == ["lost-race accepted", "withdrawal-requested withdrawn"]
    [after] = values(corrected)
    assert [step["kind"] for step in after["history"]] == ["received", "contact-corrected"]
    assert by_command.count("withdrawn") == 2


def many(first: str, again: str, job: str) -> None:
    [told] = values(first)
    assert (told["counts"]["created"], told["counts"]["refused"]) == (4, 1)
    assert [line.split()[1] for line in again.splitlines()] == [*["repeated"] * 3, "refused", "repeated"]
    assert json.JSONDecoder().raw_decode(job)[0]["items"][3]["status"] == "refused"
    assert "/route" in job.partition("}")[2]


def files(_: str, by_command: str, by_curl: str) -> None:
    assert "Lähetetty" in by_command
    assert "TE-2026-000302" in by_command.splitlines()[-1]
    for answer in values(by_curl):
        assert answer["counts"] == {"created": 0, "repeated": 1, "refused": 1, "not_written": 0, "valid": 0}


def by_asking(pages: str, by_python: str, by_command: str) -> None:
    assert values(pages)[0]["items"] is not None
    assert by_python.splitlines()[0] == "referral.received TE-2026-000123 received"
    told = [line.rpartition(" ")[2] for line in by_command.splitlines()]
    assert told[0] == "referral.received"
    assert told.count("referral.contact-corrected") <= 1  # the second call went on where the first had ended


def by_being_called(*said: str) -> None:
    *_, by_curl, attempts = said
    assert attempts.splitlines()[-1] == "webhook.challenge 1 200" or "webhook.challenge 2 200" in attempts
    assert "referral.received 1 204" in attempts
    _, rotated = values(by_curl)
    assert rotated["verify_with"].startswith("whsec_")


def receipts(*said: str) -> None:
    proven, refused = said[0].splitlines()
    assert proven.startswith("TE-2026-000124 ")
    assert refused == "the receipt is about another body"


LOOKS: dict[str, Callable[..., None]] = {
    "The first referral": first_referral,
    "What a referral says": what_it_says,
    "What happens to it": what_happens,
    "Many at once": many,
    "Files": files,
    "The way back, by asking": by_asking,
    "The way back, by being called": by_being_called,
    "Receipts": receipts,
}
