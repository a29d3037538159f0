"""What goes wrong on the way, by the simulator: nothing is lost or doubled, and it is known whose error it is."""

from typing import Any

import httpx
import pytest

from polku_embedded.xroad.message_log import first_wrong
from polku_embedded.xroad.protocol import request_hash

from ..client.material import CODES
from .conftest import NOBODY, REFERRALS, SERVICE, TOWN, Road


def test_a_request_that_comes_twice_is_one_referral(road: Road) -> None:
    road.faults.next("duplicate")
    answer = road.send("XR-5")
    assert answer.status_code == 200  # the second of the two heard that it is there
    assert road.told[-1] == f"200, fault duplicate, X-Road-Id {answer.headers['x-road-id']}"
    assert len(road.rows("referrals", external_id="XR-5")) == 1


def test_a_lost_answer_is_asked_for_again(road: Road) -> None:
    road.faults.next("lost-answer")
    lost = road.send("XR-6")
    assert (lost.status_code, lost.headers["x-road-error"]) == (500, "Server.ServerProxy.NetworkError")
    (kept,) = road.rows("referrals", external_id="XR-6")
    assert road.told[-1].startswith("500, Server.ServerProxy.NetworkError, fault lost-answer, X-Road-Id ")
    again = road.send("XR-6")
    assert (again.status_code, again.json()["id"]) == (200, kept["_id"])
    assert "x-road-error" not in again.headers


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("client-proxy", "Server.ClientProxy.NetworkError"),
        ("server-proxy", "Server.ServerProxy.DatabaseError"),
        ("timeout", "Server.ServerProxy.NetworkError"),
    ],
)
def test_errors_of_x_road_are_told_apart_from_ours(road: Road, fault: Any, error: str) -> None:
    road.faults.next(fault)
    answer = road.send(f"XR-{fault}")
    assert (answer.status_code, answer.headers["x-road-error"]) == (500, error)
    assert answer.json()["type"] == error
    assert set(answer.json()) == {"type", "message", "detail"}
    assert road.rows("referrals", external_id=f"XR-{fault}") == []


def test_an_answer_that_takes_longer_than_the_security_server_waits(road: Road) -> None:
    """Polling with a long `wait` through a server that has less patience: X-Road's error, and the next poll is well."""
    hasty = httpx.Timeout(0.3)
    simulated: httpx.AsyncClient = road.simulator.state.client
    patient, simulated.timeout = simulated.timeout, hasty
    try:
        late = road.call("GET", "/referral/api/v1/events?after=now&wait=5")
    finally:
        simulated.timeout = patient
    assert (late.status_code, late.headers["x-road-error"]) == (500, "Server.ServerProxy.NetworkError")
    assert road.call("GET", "/referral/api/v1/events?after=now").status_code == 200


def test_what_is_not_ascii_is_passed_on(road: Road) -> None:
    issue = "päätös 12".encode()
    headers = [(b"x-road-client", TOWN.encode()), (b"x-road-issue", issue)]
    assert httpx.get(f"{road.consumer}/r1/{SERVICE}{REFERRALS}", headers=headers).status_code == 200


def test_a_call_that_is_none_is_refused_by_x_road(road: Road) -> None:
    for address, headers in (
        (f"/r1/{SERVICE}{REFERRALS}", {}),
        (f"/r1/{SERVICE}{REFERRALS}", {"x-road-client": "FI-TEST/MUN"}),
        (f"/r1/{SERVICE}{REFERRALS}", {"x-road-client": "FI-TEST/MUN/1234567-8/Not_allowed"}),
        (f"/r2/{SERVICE}{REFERRALS}", {"x-road-client": TOWN}),
        ("/r1/FI-TEST/ORG", {"x-road-client": TOWN}),
        (f"/r1/{SERVICE}{REFERRALS}?q={'x' * 2000}", {"x-road-client": TOWN}),
    ):
        answer = httpx.get(f"{road.consumer}{address}", headers=headers)
        assert answer.status_code == 400
        assert answer.headers["x-road-error"].startswith("Client.")
    missing = httpx.get(f"{road.consumer}/r1/{SERVICE}-none/x", headers={"x-road-client": TOWN})
    closed = httpx.get(f"{road.consumer}/r1/{SERVICE}-closed/x", headers={"x-road-client": TOWN})
    assert missing.headers["x-road-error"] == "Server.ServerProxy.UnknownService"
    assert closed.headers["x-road-error"] == "Server.ServerProxy.NetworkError"


def test_the_message_log_holds_and_no_message_is_in_it(road: Road) -> None:
    road.send("XR-7")
    log = road.network.log
    assert {(row["side"], row["kind"]) for row in log.rows[-4:]} == {
        (side, kind) for side in ("consumer", "provider") for kind in ("request", "response")
    }
    assert first_wrong(log.rows, log.key) is None
    assert not any(code in str(log.rows) for code in CODES)
    changed = [dict(row) for row in log.rows]
    changed[1]["client"] = NOBODY
    assert first_wrong(changed, log.key) == 2
    assert first_wrong(log.rows[1:], log.key) == 1


def test_the_hash_of_a_request_is_that_of_the_specification() -> None:
    headers = [("x-road-client", TOWN)]
    assert request_hash(headers, b"") != request_hash(headers, b"{}")
    assert request_hash(headers, b"{}") == request_hash(headers, b"{}")
