"""A shell in a folder of its own, with a registered machine's key and profile."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..serving import Registered, Serving
from .material import CODES


@dataclass(frozen=True)
class Shell:
    """Runs commands in a folder that holds the machine's key and a profile."""

    folder: Path
    machine: Registered

    def __call__(self, *arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "polku_client.cli", *arguments]
        path = {"PATH": "/usr/bin:/bin", "COLUMNS": "200", **environment}
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, cwd=self.folder, env=path, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        for canary in (*CODES, "Äinö", "050 000 1234", "Keksitty"):
            assert canary not in done.stdout + done.stderr
        return done

    def known(self, *arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return self("--profile", "te.toml", *arguments, given=given, **environment)

    def file(self, *referrals: dict[str, Any], name: str = "referrals.ndjson") -> str:
        lines = [json.dumps(one, ensure_ascii=False, default=str) for one in referrals]
        (self.folder / name).write_text("\n".join(lines), "utf-8")
        return name


@pytest.fixture
def shell(polku: Serving, tmp_path: Path) -> Shell:
    machine = polku.machine()
    (tmp_path / "private.pem").write_bytes(machine.key.as_pem(private=True))
    profile = f'url = "{polku.address}"\nclient_id = "{machine.client_id}"\nkey = "private.pem"\n'
    (tmp_path / "te.toml").write_text(profile)
    return Shell(tmp_path, machine)
