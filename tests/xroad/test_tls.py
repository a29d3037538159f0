"""The listener's certificates: whose connection is heard at all, and what stops the start."""

import hashlib
import re
import socket
import ssl
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from polku_embedded.servers import free_port
from polku_embedded.xroad.authority import Authority
from polku_referral.xroad.listener import create_server
from polku_runtime.settings import SettingsError

from .conftest import REFERRALS, TOWN, Road, ended, started


def reasons(caplog: pytest.LogCaptureFixture, before: int = 0) -> list[str]:
    """Why connections came to nothing, as the log has it. The client may know of the end before it is written."""
    ends = time.monotonic() + 10
    while len(found := [one.__dict__["reason"] for one in caplog.records if "no TLS" in one.message]) <= before:
        assert time.monotonic() < ends
        time.sleep(0.01)
    return found


def test_without_the_security_servers_certificate_nobody_can_speak(
    road: Road, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"x-road-client": TOWN}
    other = road.authority.issue("somebody-else")
    strangers = Authority(tmp_path / "strangers").issue("security-server")
    before = road.rows("audit", action="x-road-refused")
    expired = road.authority.issue("expired", lasts=timedelta(seconds=-1))
    pin = ssl.PEM_cert_to_DER_cert(other.certificate.read_text())
    wanted = (
        (None, "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        (other, ":".join(f"{byte:02X}" for byte in hashlib.sha256(pin).digest())),
        (strangers, "self-signed certificate in certificate chain|unable to get local issuer certificate"),
        (expired, "certificate has expired"),
    )
    for place, (pair, reason) in enumerate(wanted):
        with road.straight(pair, headers=headers) as http, pytest.raises(httpx.TransportError):
            http.get(REFERRALS)
        assert re.search(reason, reasons(caplog, place)[place])
    # And when it is Polku's certificate that is not believed.
    with pytest.raises(httpx.TransportError):
        httpx.get(road.door + REFERRALS, headers=headers)
    assert reasons(caplog, len(wanted))[-1] == "TLSV1_ALERT_UNKNOWN_CA"
    with pytest.raises(httpx.TransportError):
        httpx.get(road.door.replace("https", "http") + REFERRALS, headers=headers)
    host, port = "127.0.0.1", int(road.door.rpartition(":")[2])
    with socket.create_connection((host, port), 5) as plain:
        plain.sendall(f"GET {REFERRALS} HTTP/1.1\r\nHost: x\r\nX-Road-Client: {TOWN}\r\n\r\n".encode())
        assert b"HTTP/1.1 2" not in plain.recv(1000)
    with road.straight(road.security_server, headers=headers) as http:
        assert http.get(REFERRALS).status_code == 200
    assert road.rows("audit", action="x-road-refused") == before


def test_without_a_pin_all_that_the_ca_has_signed_come_in_and_no_others(road: Road, tmp_path: Path) -> None:
    """The pin is a second lock; the first is the CA's signature."""
    port = free_port()
    server = create_server(road.settings.model_copy(update={"xroad_client_fingerprints": "", "xroad_port": port}))
    running = road.polku.do(started(server))
    try:
        other = road.authority.issue("another-security-server")
        address, headers = f"https://127.0.0.1:{port}{REFERRALS}", {"x-road-client": TOWN}
        with road.straight(other, headers=headers) as http:
            assert http.get(address).status_code == 200
        for pair in (None, Authority(tmp_path / "strangers").issue("security-server")):
            with road.straight(pair, headers=headers) as http, pytest.raises(httpx.TransportError):
                http.get(address)
    finally:
        server.should_exit = True
        road.polku.do(ended(running))


def test_the_security_servers_own_certificate_will_do_for_a_ca(road: Road) -> None:
    """As X-Road shows it to information systems; and an idle connection of its pool does not hold up a stop."""
    port = free_port()
    change = {"xroad_client_ca": road.security_server.certificate, "xroad_client_fingerprints": "", "xroad_port": port}
    server = create_server(road.settings.model_copy(update=change))
    server.config.timeout_graceful_shutdown = None  # then only the TLS library's own patience would end it: 30 s
    running = road.polku.do(started(server))
    address, headers = f"https://127.0.0.1:{port}{REFERRALS}", {"x-road-client": TOWN}
    with road.straight(road.security_server, headers=headers) as idle:
        try:
            assert idle.get(address).status_code == 200
            others = road.straight(road.authority.issue("of-the-same-ca"), headers=headers)
            with others as http, pytest.raises(httpx.TransportError):
                http.get(address)
        finally:
            server.should_exit = True
            begun = time.monotonic()
            road.polku.do(ended(running))
        assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"xroad_port": None}, "POLKU_XROAD_PORT"),
        ({"xroad_certificate": None}, "POLKU_XROAD_CERTIFICATE"),
        ({"xroad_key": Path("/nowhere")}, "POLKU_XROAD_KEY"),
        ({"xroad_client_ca": None}, "POLKU_XROAD_CLIENT_CA"),
        ({"xroad_client_ca": "key"}, "POLKU_XROAD_CLIENT_CA"),
        ({"xroad_key": "certificate"}, "POLKU_XROAD_KEY"),
        ({"xroad_client_fingerprints": "abc"}, "POLKU_XROAD_CLIENT_FINGERPRINTS"),
    ],
)
def test_a_setting_that_is_missing_stops_the_start(road: Road, changes: dict[str, Any], named: str) -> None:
    files = {"key": road.security_server.key, "certificate": road.security_server.certificate}
    settings = road.settings.model_copy(
        update={name: files.get(value, value) if isinstance(value, str) else value for name, value in changes.items()}
    )
    with pytest.raises(SettingsError) as stopped:
        create_server(settings)
    assert named in str(stopped.value)
    assert "\n" not in str(stopped.value)
