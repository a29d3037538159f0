"""The data folder: one holder, kept ports, secrets for the owner alone, trouble in one line."""

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from polku_embedded import Trouble
from polku_embedded.folder import DataFolder
from polku_embedded.ports import EPHEMERAL, free_port, in_use, listens


@contextmanager
def occupied() -> Iterator[int]:
    port = free_port()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield port


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    monkeypatch.setenv("POLKU_PORT", str(free_port()))
    for name in ("POLKU_KAFKA", "POLKU_MONGO", "POLKU_SESSION_KEYS", "POLKU_IDENTITY_CODES"):
        monkeypatch.delenv(name, raising=False)
    return DataFolder(tmp_path / "data")


def test_one_folder_has_one_holder(folder: DataFolder) -> None:
    folder.lock()
    with pytest.raises(Trouble, match="already running on"):
        DataFolder(folder.path).lock()


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Trouble, match=r"cannot be written: (Not a directory|File exists)"):
        DataFolder(tmp_path / "file").lock()


def test_a_nearly_full_disk_stops_the_start(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**7))
    with pytest.raises(Trouble, match="only 10 MB are free"):
        folder.lock()


def test_the_ports_stay_and_the_web_port_is_refused_when_taken(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = folder.ports()
    monkeypatch.delenv("POLKU_PORT")
    assert folder.ports() == first
    with occupied() as port:
        monkeypatch.setenv("POLKU_PORT", str(port))
        with pytest.raises(Trouble, match=f"port {port} for web is in use"):
            folder.ports()


def test_a_port_of_our_own_that_is_taken_is_replaced(folder: DataFolder) -> None:
    kept = folder.ports()
    with occupied() as port:
        folder.write("ports.json", json.dumps({**vars(kept), "kafka": port}))
        fresh = folder.ports()
    assert fresh.kafka != port
    assert fresh.mongo == kept.mongo
    assert folder.ports() == fresh


@pytest.mark.parametrize("said", ["web", "0", "65536", "-1"])
def test_a_wrong_port_setting_is_named(folder: DataFolder, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv("POLKU_PORT", said)
    with pytest.raises(Trouble, match="POLKU_PORT"):
        folder.ports()


def test_secrets_are_made_once_and_for_the_owner(folder: DataFolder) -> None:
    ports = folder.ports()
    first = folder.environment(ports)
    assert folder.environment(ports) == first
    for name in ("master.key", "session.keys"):
        assert (folder.path / name).stat().st_mode & 0o077 == 0


def test_a_write_that_fails_leaves_the_old_and_nothing_else(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("state.json", "old")

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(Trouble, match="No space left on device"):
        folder.write("state.json", "new")
    assert [file.name for file in folder.path.iterdir()] == ["state.json"]
    assert folder.state_file.read_text() == "old"


def test_free_ports_are_below_the_range_of_outgoing_connections() -> None:
    low = int(EPHEMERAL.read_text().split()[0])
    ports = [free_port() for _ in range(50)]
    assert all(port < low for port in ports)
    with occupied() as port:
        assert in_use(port)
        assert listens(port)
    assert not listens(port)
