"""`polku organisation codes`: an organisation's map from a file, and what waits for it."""

import asyncio
import json
from pathlib import Path

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner, Result

from polku_referral import cli
from polku_referral.cli import codes as command_line
from polku_referral.model.code_map import CodeMap

from .conftest import Sender
from .material import TOWN

KNOWN = {"Työpaja": "work-activity"}


async def test_maps_from_the_command_line(
    app: FastAPI, sender: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await app.state.desk.code_maps.put(TOWN, CodeMap(unknown="keep", service=KNOWN), 0, None)
    waits = (await sender.sent(service="Verstas"))["id"]
    settings = app.state.settings
    monkeypatch.setenv("POLKU_MONGO", settings.mongo)
    monkeypatch.setenv("POLKU_NAMESPACE", settings.namespace)
    monkeypatch.setenv("POLKU_SESSION_KEYS", settings.session_keys.get_secret_value())

    async def polku(*arguments: str) -> Result:
        # In a thread: the command runs a loop of its own.
        return await asyncio.to_thread(CliRunner().invoke, cli.app, ["organisation", "codes", *arguments, "--json"])

    shown = json.loads((await polku("kajaani")).stdout)
    assert (shown["version"], shown["unknown"], shown["service"]) == (1, "keep", KNOWN)
    path = tmp_path / "codes.yaml"
    path.write_text("unknown: refuse\nservice:\n  Verstas: group-activity\n", "utf-8")
    changed = json.loads((await polku("kajaani", str(path))).stdout)
    assert (changed["version"], changed["unknown"], changed["service"]) == (2, "refuse", {"Verstas": "group-activity"})
    assert (changed["repaired"], (await sender.told(waits))["service"]) == (1, "group-activity")
    path.write_text("service: {Verstas: nowhere}", "utf-8")
    for arguments, says in ((("kajaani", str(path)), "not one of the known"), (("nobody",), "no organisation nobody")):
        refused = await polku(*arguments)
        assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
        assert says in refused.stderr


def test_a_file_that_does_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "codes.yaml"
    for content, says in (
        (b"route: [", "no YAML"),
        (b"\xff", "no YAML"),
        (b"route: {A: B C}", "route"),
        (b"7", "whole"),
        (b"municipality: {205: '205'}", "municipality: codes are text, so put those of digits alone in quotes"),
        (b"route: [A]", "route: lines of own code: Polku's code belong here"),
    ):
        path.write_bytes(content)
        with pytest.raises(command_line.typer.Exit):
            command_line.codes("kajaani", path)
        assert says in capsys.readouterr().err
    with pytest.raises(command_line.typer.Exit):
        command_line.codes("kajaani", tmp_path / "none.yaml")
    assert "cannot be read" in capsys.readouterr().err
