"""The X-Road simulator as a tool: its commands, its faults, its log."""

import json
import os
import socket
import ssl
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from random import Random

import httpx
import pytest
from cryptography import x509
from joserfc.jwk import ECKey
from typer.testing import CliRunner

from polku_embedded import Trouble
from polku_embedded.servers import free_port
from polku_embedded.xroad import cli
from polku_embedded.xroad.authority import Authority
from polku_embedded.xroad.faults import MEANS, in_turn, read_faults
from polku_embedded.xroad.message_log import MessageLog, first_wrong, read

SERVICE, MEMBER = "FI-TEST/ORG/7654321-0/Polku/referrals", "FI-TEST/MUN/1234567-8/Tyollisyys"


def test_faults_by_their_shares() -> None:
    draw = read_faults("duplicate=0.1, lost-answer=0.2", Random(1))
    drawn = Counter(draw() for _ in range(10_000))
    assert set(drawn) == {None, "duplicate", "lost-answer"}
    assert 900 < drawn["duplicate"] < 1100
    assert 1850 < drawn["lost-answer"] < 2150
    assert read_faults("", Random(1))() is None
    assert {read_faults("timeout", Random(1))() for _ in range(20)} == {"timeout"}
    turn = in_turn("timeout", None, "duplicate")
    assert [turn() for _ in range(5)] == ["timeout", None, "duplicate", None, None]


def test_the_guide_tells_each_fault_as_the_command_does() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "x-road.md").read_text("utf-8")
    assert [name for name, text in MEANS.items() if f"| `{name}` | {text} |" not in guide] == []


@pytest.mark.parametrize("text", ["broken", "duplicate=a", "duplicate=2", "duplicate=-1", "duplicate=0.6,timeout=0.6"])
def test_faults_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"no fault|a share|the shares"):
        read_faults(text, Random(1))


def test_the_log_goes_on_after_a_stop(tmp_path: Path) -> None:
    key, path = ECKey.generate_key("P-256"), tmp_path / "messages.jsonl"
    for number in range(3):
        MessageLog(path, key).write({"id": str(number)}, b"a message that is not kept")
    rows = read(path)
    assert [row["id"] for row in rows] == ["0", "1", "2"]
    assert all(datetime.fromisoformat(row["at"]).tzinfo is not None for row in rows)
    assert first_wrong(rows, key) is None
    assert b"not kept" not in path.read_bytes()
    assert first_wrong([rows[0], rows[2]], key) == 2
    assert first_wrong([*rows, rows[1]], key) == 4
    assert first_wrong(rows, ECKey.generate_key("P-256")) == 1
    for name, value in (("sha512", "0" * 128), ("at", "2026-01-01T00:00:00Z"), ("signature", 1), ("hash", None)):
        assert first_wrong([rows[0], {**rows[1], name: value}, rows[2]], key) == 2


def test_certificates_that_a_listener_takes(tmp_path: Path) -> None:
    said = CliRunner().invoke(cli.app, ["certificates", str(tmp_path / "ca"), "--host", "polku.example.fi"])
    assert said.exit_code == 0
    settings = dict(line.split("=", 1) for line in said.stdout.splitlines())
    assert set(settings) == {
        f"POLKU_XROAD_{name}" for name in ("CERTIFICATE", "KEY", "CLIENT_CA", "CLIENT_FINGERPRINTS")
    }
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(settings["POLKU_XROAD_CERTIFICATE"], settings["POLKU_XROAD_KEY"])
    context.load_verify_locations(settings["POLKU_XROAD_CLIENT_CA"])
    mine = x509.load_pem_x509_certificate(Path(settings["POLKU_XROAD_CERTIFICATE"]).read_bytes())
    names = mine.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["polku.example.fi"]
    secrets = [file for file in (tmp_path / "ca").iterdir() if file.suffix in (".key", ".jwk")]
    assert len(secrets) == 3
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in secrets)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"--service": "FI-TEST/ORG=https://x"}, "is not INSTANCE"),
        ({"--service": f"{SERVICE}=http://x"}, "is not INSTANCE"),
        ({"--member": "FI-TEST/MUN/a_b"}, "not allowed"),
        ({"--member": "FI-TEST"}, "is instance/class/member/subsystem"),
        ({"--member": f"{MEMBER}/more"}, "is instance/class/member/subsystem"),
        ({"--service": "FI-TEST/ORG/7654321-0/Polku/a_b=https://x"}, "not allowed"),
        ({"--faults": "broken"}, "no fault broken"),
        ({}, "holds no certificates"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, changes: dict[str, str], named: str) -> None:
    options = {"--service": f"{SERVICE}=https://127.0.0.1:1", "--member": MEMBER, **changes}
    if named != "holds no certificates":
        assert CliRunner().invoke(cli.app, ["certificates", str(tmp_path)]).exit_code == 0
    assert named in refusal("simulate", str(tmp_path), *(part for pair in options.items() for part in pair))


def refusal(*command: str) -> str:
    """What `polku xroad …` says when it does not do it: one line, never a traceback."""
    said = CliRunner().invoke(cli.app, list(command))
    assert isinstance(said.exception, Trouble), said.output
    assert "\n" not in str(said.exception)
    return str(said.exception)


def test_certificates_are_not_made_over_others_nor_in_vain(tmp_path: Path) -> None:
    """Polku knows the first ones; with others nothing would work any more, and the log would not hold."""
    (tmp_path / "file").touch()
    assert "cannot be written" in refusal("certificates", str(tmp_path / "file"))
    assert "--host" in refusal("certificates", str(tmp_path / "a"), "--host", "ä ö")
    assert CliRunner().invoke(cli.app, ["certificates", str(tmp_path / "b")]).exit_code == 0
    assert "already" in refusal("certificates", str(tmp_path / "b"))


def test_a_log_that_does_not_hold_is_told_by_its_row(tmp_path: Path) -> None:
    folder, log = str(tmp_path), tmp_path / cli.LOG
    assert "holds no certificates" in refusal("verify", folder)
    assert CliRunner().invoke(cli.app, ["certificates", folder]).exit_code == 0
    assert "cannot be read: No such file" in refusal("verify", folder)
    key = ECKey.import_key(json.loads((tmp_path / cli.SIGNER).read_text("utf-8")))
    for number in range(3):
        MessageLog(log, key).write({"id": str(number)}, b"")
    lines = log.read_text("utf-8").splitlines()
    assert CliRunner().invoke(cli.app, ["verify", folder]).stdout.startswith("3 rows hold; the last hash begins with ")
    log.write_text("\n".join([lines[0], lines[2]]), "utf-8")
    assert "row 2 was changed" in refusal("verify", folder)
    for torn in (lines[1][:40], "{}", "[]", "\udcff"):
        log.write_bytes(f"{lines[0]}\n{torn}".encode("utf-8", "surrogateescape"))
        assert "row 2 of the message log cannot be read" in refusal("verify", folder)
    options = ("--service", f"{SERVICE}=https://127.0.0.1:1", "--member", MEMBER)
    assert "row 2 of the message log cannot be read" in refusal("simulate", folder, *options)
    log.unlink()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"cannot listen on 127.0.0.1:{port}" in refusal("simulate", folder, *options, "--port", port)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The command as a person runs it; its provider is not there."""
    Authority(tmp_path)
    assert CliRunner().invoke(cli.app, ["certificates", str(tmp_path)]).exit_code == 0
    port = free_port()
    command = [sys.executable, "-m", "polku_embedded.cli", "xroad", "simulate", str(tmp_path), "--port", str(port)]
    command += ["--service", f"{SERVICE}=https://127.0.0.1:{free_port()}", "--member", MEMBER]
    environment = {**os.environ, "POLKU_DATA": str(tmp_path / "data")}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert "X-Road simulator on" in process.stderr.readline()
        yield f"http://127.0.0.1:{port}", tmp_path
    finally:
        process.terminate()
        process.wait(10)


def test_the_command_runs_both_servers(simulator: tuple[str, Path]) -> None:
    address, folder = simulator
    with httpx.Client(base_url=address) as http:
        answer = http.get(f"/r1/{SERVICE}/referral/api/v1/referrals", headers={"x-road-client": MEMBER})
        unknown = http.get(f"/r1/{SERVICE}/x", headers={"x-road-client": f"{MEMBER}2"})
    assert (answer.status_code, answer.headers["x-road-error"]) == (500, "Server.ServerProxy.NetworkError")
    assert json.loads(answer.text)["type"] == "Server.ServerProxy.NetworkError"
    assert unknown.headers["x-road-error"] == "Server.ClientProxy.UnknownMember"
    said = CliRunner().invoke(cli.app, ["verify", str(folder)])
    assert said.stdout.startswith("2 rows hold")
    assert "server" not in answer.headers
    assert len(answer.headers.get_list("date")) == 1
