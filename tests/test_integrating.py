"""The guide for authorities keeps its word: its own commands are run, in order, against a real installation."""

import json
import re
import subprocess
from pathlib import Path

from polku_embedded import seeds

from .installation import ROOT, Installation

GUIDE = (ROOT / "docs" / "integrating.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def shell(script: str, folder: Path, client: dict[str, str]) -> str:
    given = "\n".join(f'{name}="{value}"' for name, value in client.items())
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{given}\n{script}"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_of_the_guide_work_as_they_stand(installation: Installation, tmp_path: Path) -> None:
    make_keys, get_token, push, ask = blocks("bash")
    shell(make_keys, tmp_path, {})
    made = seeds.polku(
        "client", "add", "--organisation", "kk-tyollisyysalue", "--scope", "referrals:write", "--scope",
        "referrals:read", "--public-key", str(tmp_path / "public.pem"), environment=installation.environment,
    )  # fmt: skip
    client = {"CLIENT_ID": made["client_id"], "TOKEN_ENDPOINT": made["token_endpoint"], "AUDIENCE": made["audience"]}

    said = shell(f"{get_token}\n{push}\n{ask}", tmp_path, client)
    decoder, answers = json.JSONDecoder(), []
    while said.strip():
        answer, end = decoder.raw_decode(said.lstrip())
        answers.append(answer)
        said = said.lstrip()[end:]
    dry, pushed, listed = answers
    assert dry == {"dry_run": True, "valid": True, "exists": False}
    assert pushed["state"] == "received"
    assert pushed["receipt"].count(".") == 2
    assert [item["id"] for item in listed["items"]] == [pushed["id"]]

    [python] = blocks("python")
    known = dict(client)
    folder = Path.cwd()
    try:
        import os

        os.chdir(tmp_path)
        exec(compile(python, "integrating.md", "exec"), known)
    finally:
        os.chdir(folder)
    assert known["TOKEN"].count(".") == 2
