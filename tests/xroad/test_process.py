"""The listener as a process: alone, and beside the other services in the embedded edition's web process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import uvloop

from polku_embedded.servers import free_port
from polku_embedded.web import further_listeners
from polku_runtime.process import run

from .conftest import REFERRALS, TOWN, Road


def environment(road: Road, port: int) -> dict[str, str]:
    settings = road.settings
    assert settings.xroad_certificate is not None
    assert settings.xroad_key is not None
    said = {
        "NAMESPACE": settings.namespace,
        "MONGO": settings.mongo,
        "KAFKA": settings.kafka,
        "PORT": str(free_port()),
        "BASE_URL": settings.base_url,
        "SESSION_KEYS": settings.session_keys.get_secret_value(),
        "MASTER_KEY_FILE": str(settings.master_key_file),
        "IDENTITY_CODES": "artificial",
        "DATABASE_SECONDS": str(settings.database_seconds),
        "XROAD_PORT": str(port),
        "XROAD_CERTIFICATE": str(settings.xroad_certificate),
        "XROAD_KEY": str(settings.xroad_key),
        "XROAD_CLIENT_CA": str(settings.xroad_client_ca),
    }
    return {**os.environ, **{f"POLKU_{name}": value for name, value in said.items()}}


@contextmanager
def running(module: str, said: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", *module.split()]
    process = subprocess.Popen(command, env=said, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def answers(road: Road, process: subprocess.Popen[str], port: int) -> httpx.Response:
    """The first answer once it listens."""
    ends = time.monotonic() + 120
    with road.straight(road.security_server, headers={"x-road-client": TOWN}) as http:
        while True:
            try:
                return http.get(f"https://127.0.0.1:{port}{REFERRALS}")
            except httpx.TransportError:
                assert process.poll() is None, process.communicate()[1]
                assert time.monotonic() < ends
                time.sleep(0.1)


def test_it_listens_and_ends_on_sigterm(road: Road) -> None:
    ports = {"polku_referral xroad": free_port(), "polku_embedded.web": free_port()}
    with ExitStack() as stack:
        started = {
            module: stack.enter_context(running(module, environment(road, port))) for module, port in ports.items()
        }
        for module, process in started.items():
            assert answers(road, process, ports[module]).status_code == 200
    assert [process.returncode for process in started.values()] == [0, 0]


def test_the_web_process_listens_to_nothing_more_without_a_port(road: Road) -> None:
    assert len(further_listeners(road.settings)) == 1
    assert further_listeners(road.settings.model_copy(update={"xroad_port": None})) == []


def test_a_setting_that_is_missing_ends_the_process_with_its_line(road: Road) -> None:
    """A SystemExit with a text: Python prints it and ends with 1. Both processes make their servers so."""
    said = road.settings.model_copy(update={"xroad_key": None})
    with pytest.raises(SystemExit) as ended:
        uvloop.run(run([*further_listeners(said)], {}, "127.0.0.1", free_port()))
    assert str(ended.value) == "polku: wrong setting: POLKU_XROAD_KEY is not set, and POLKU_XROAD_PORT needs it"
