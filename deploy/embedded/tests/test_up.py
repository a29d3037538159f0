"""`polku up` for real: a second one, a dead child, a killed supervisor, the end, and what `polku status` says."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from pymongo import MongoClient

from polku_embedded import mongodb
from polku_embedded.folder import CHECKOUT
from polku_embedded.ports import free_port

PROMISED_STOP_S = 25
CHILDREN = ("kafka", "mongod", "web", "worker")


@dataclass(frozen=True)
class Edition:
    data: Path
    environment: dict[str, str]

    def polku(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "polku_embedded.cli", *arguments],
            env={**self.environment, **more}, cwd=CHECKOUT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def status(self) -> dict:
        return json.loads(self.polku("status", "--json").stdout)

    def state(self) -> dict:
        return json.loads((self.data / "state.json").read_text("utf-8"))

    def pids(self) -> dict[str, int]:
        return {name: child["pid"] for name, child in self.state()["children"].items()}

    def log(self) -> str:
        return (self.data / "logs" / "polku.log").read_text("utf-8")


@contextmanager
def edition(data: Path) -> Iterator[Edition]:
    one = Edition(data, {**os.environ, "POLKU_DATA": str(data), "POLKU_PORT": str(free_port())})
    try:
        yield one
    finally:
        one.polku("down")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edition]:
    with edition(tmp_path_factory.mktemp("edition") / "data") as one:
        started = one.polku("up", "--detach")
        assert started.returncode == 0, started.stderr
        yield one


def until(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def test_status_tells_of_each_child_and_service(running: Edition) -> None:
    until(lambda: all(one["lag"] == 0 for one in running.status()["services"]))  # a busy machine may not answer in time
    said = running.status()
    assert said["phase"] == "ready"
    assert [child["name"] for child in said["children"]] == list(CHILDREN)
    assert all(child["ready"] and child["pid"] and child["memory_mb"] for child in said["children"])
    assert {service["name"] for service in said["services"]} == {"referral", "pathway", "activities", "indicators"}
    assert all((one["lag"], one["outbox_seconds"], one["dead_letters"]) == (0, 0, 0) for one in said["services"])
    assert said["webhooks"] == []


def test_status_names_a_webhook_that_is_not_called_any_more(running: Edition) -> None:
    ports = json.loads((running.data / "ports.json").read_text("utf-8"))
    address = {"channel": "somebody", "url": "https://x.example", "scheme": "v1", "made_at": datetime.now(UTC)}
    with MongoClient[dict[str, Any]](mongodb.uri(ports["mongo"])) as client:
        rows = client["polku_referral"]["webhooks"]
        rows.insert_one({"_id": "dead-webhook", "state": "disabled", "cause": "failed", **address})
        shown = running.polku("status").stdout
        rows.delete_one({"_id": "dead-webhook"})
    assert "kafka" in shown
    assert "dead-webhook" in shown


def test_a_second_up_is_one_line_and_harms_nothing(running: Edition) -> None:
    before = running.pids()
    for arguments in (("up",), ("up", "--detach")):
        second = running.polku(*arguments)
        assert second.returncode == 1
        assert second.stderr.strip().count("\n") == 0
        assert "already running on" in second.stderr
    assert running.pids() == before
    assert httpx.get(f"{running.status()['address']}/referral/health/ready").is_success


def test_the_topics_are_as_the_file_says_and_drift_is_told(running: Edition, tmp_path: Path) -> None:
    applied = running.polku("topics", "apply", "--single-node", "--json")
    assert (applied.returncode, json.loads(applied.stdout)) == (0, {"created": [], "drift": []})
    other = tmp_path / "topics.yaml"
    other.write_text("topics: {referral.events: {partitions: 24, replication: 1}}")
    drifted = running.polku("topics", "apply", "--file", str(other), "--json")
    assert drifted.returncode == 1
    assert json.loads(drifted.stdout)["drift"] == ["polku.referral.events: 12 partitions, the file says 24"]


def test_children_that_are_killed_come_back(running: Edition) -> None:
    before = running.pids()
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    until(lambda: all(f"{name} is ready again" in running.log() for name in CHILDREN))
    until(lambda: running.state()["phase"] == "ready")
    assert all(f"{name} ended with -9" in running.log() for name in CHILDREN)
    assert not set(running.pids().values()) & {*before.values(), None}


def test_when_the_supervisor_is_killed_nothing_is_left_and_the_next_up_works(running: Edition) -> None:
    children = [psutil.Process(pid) for pid in running.pids().values()]
    os.kill(running.state()["supervisor"], signal.SIGKILL)
    again = running.polku("up", "--detach")
    assert again.returncode == 0, again.stderr
    until(lambda: not any(child.is_running() for child in children))
    assert running.status()["phase"] == "ready"


def test_down_stops_all_in_the_promised_time(running: Edition) -> None:
    children = [psutil.Process(pid) for pid in running.pids().values()]
    began = time.monotonic()
    stopped = running.polku("down")
    assert stopped.returncode == 0, stopped.stderr
    assert time.monotonic() - began < PROMISED_STOP_S
    assert not any(child.is_running() for child in children)
    assert running.polku("status").returncode == 1
    assert running.polku("down").returncode == 0


def test_a_wrong_setting_stops_the_start_with_its_name(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with edition(data) as one:
        refused = one.polku("up", "--detach", POLKU_LANGUAGE="klingon")
        assert refused.returncode == 1
        assert refused.stderr.startswith("polku: wrong setting: POLKU_LANGUAGE")
        assert refused.stderr.strip().count("\n") == 0
        assert not (data / "mongodb").exists()


def test_an_occupied_port_stops_the_start_with_its_number(tmp_path: Path) -> None:
    with edition(tmp_path / "data") as one:
        with _listener(int(one.environment["POLKU_PORT"])):
            refused = one.polku("up")
        assert refused.returncode == 1
        assert (
            refused.stderr
            == f"polku: port {one.environment['POLKU_PORT']} for web is in use (choose another by POLKU_PORT)\n"
        )


def test_a_command_without_servers_is_one_line(tmp_path: Path) -> None:
    with edition(tmp_path / "data") as one:
        nowhere = f"127.0.0.1:{free_port()}"
        said = one.polku(
            "topics", "apply", POLKU_KAFKA=nowhere, POLKU_MONGO=f"mongodb://{nowhere}", POLKU_SESSION_KEYS="x"
        )
        assert said.returncode == 1
        assert said.stderr.splitlines()[-1].startswith("polku: Kafka or MongoDB does not answer")


@contextmanager
def _listener(port: int) -> Iterator[None]:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield
