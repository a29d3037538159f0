"""A referral's whole way over X-Road, and who may not come that way. Everything with real TLS on loopback."""

import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI

from polku_embedded.servers import free_port
from polku_embedded.xroad.authority import Authority
from polku_embedded.xroad.message_log import holds
from polku_embedded.xroad.protocol import request_hash
from polku_referral.audit import Audit
from polku_referral.xroad.listener import create_server
from polku_runtime.settings import SettingsError
from polku_web.answers import answer
from polku_web.edge import Edge
from polku_web.limits import Limiter

from ..client.material import CODES, referral
from .conftest import COUNTY, NOBODY, REFERRALS, SERVICE, TOWN, Road, ended, started

EVENTS = "/referral/api/v1/events"


def code_of(told: httpx.Response) -> str:
    assert told.headers["content-type"] == "application/problem+json", told.text
    code: str = told.json()["code"]
    return code


def _as_json(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "referred_on": told["referred_on"].isoformat()}


def polled(road: Road, referral_id: str, wanted: str) -> list[str]:
    """Types of a referral's events, once the wanted one is there."""
    ends, cursor, found = time.monotonic() + 20, "", []
    while time.monotonic() < ends:
        page = road.call("GET", f"{EVENTS}?wait=5" + (f"&after={cursor}" if cursor else "")).json()
        found += [one["type"] for one in page["items"] if one["data"]["referral_id"] == referral_id]
        cursor = page["next"]
        if wanted in found:
            break
    return found


# -- the way ------------------------------------------------------------------------------------------------


def test_a_referral_in_its_events_back_and_out_again(road: Road) -> None:
    sent = road.send("XR-1")
    assert sent.status_code == 201, sent.text
    told = sent.json()
    assert told["receipt"].count(".") == 2
    assert sent.headers["location"] == f"{REFERRALS}/{told['id']}"
    found = road.call("GET", sent.headers["location"])  # its address is a path of the service, so of the catalogue
    assert found.json()["external_id"] == "XR-1"
    assert found.headers["etag"] == '"1"'
    listed = road.call("GET", f"{REFERRALS}?external_id=XR-1").json()
    assert [row["id"] for row in listed["items"]] == [told["id"]]
    assert polled(road, told["id"], "referral.received") == ["referral.received"]

    gone = road.call(
        "POST", f"{REFERRALS}/{told['id']}/withdraw", sent={"reason": "sent-in-error"}, if_match=found.headers["etag"]
    )
    assert (gone.status_code, gone.json()["state"]) == (200, "withdrawn")
    assert polled(road, told["id"], "referral.withdrawn") == ["referral.received", "referral.withdrawn"]


def test_what_the_security_server_says_in_the_answer_is_its_own(road: Road) -> None:
    answer = road.send("XR-2", x_road_id="3f7b1c54-0d5e-4b38-8f5e-2a9a4f3f9a10")
    assert answer.headers["x-road-id"] == "3f7b1c54-0d5e-4b38-8f5e-2a9a4f3f9a10"
    assert answer.headers["x-road-client"] == TOWN
    assert answer.headers["x-road-service"] == SERVICE
    assert len(answer.headers["x-road-request-hash"]) == 88
    assert "x-road-error" not in answer.headers
    with road.straight(road.security_server, headers={"x-road-client": TOWN}) as http:
        mine = http.get(f"{REFERRALS}/{answer.json()['id']}")
    assert mine.status_code == 200
    # PR-REST §4.3: a provider should set none of them.
    assert [name for name in mine.headers if name.startswith("x-road")] == []


def test_the_same_rules_as_at_the_json_door(road: Road) -> None:
    assert code_of(road.call("POST", REFERRALS, sent={"external_id": "XR-3"})) == "invalid"
    told = road.send("XR-4").json()
    assert code_of(road.call("POST", f"{REFERRALS}/{told['id']}/withdraw", sent={"reason": "other"})) == (
        "version-required"
    )
    assert road.call("GET", f"{REFERRALS}/{told['id']}", COUNTY).status_code == 404
    assert road.call("GET", "/referral/api/v1/codes").json()["route"][0]["code"] == "employment-service"


def test_many_at_once(road: Road) -> None:
    told = [_as_json(referral(f"XR-many-{number}", number)) for number in range(3)]
    answer = road.call("POST", f"{REFERRALS}/batch", sent=told)
    assert answer.status_code == 200, answer.text
    assert len(road.rows("referrals", external_id={"$regex": "^XR-many"})) == 3
    job = road.call("POST", f"{REFERRALS}/batch", sent=told, prefer="respond-async", x_road_id="many-1")
    assert job.status_code == 202
    assert road.call("GET", job.headers["location"]).status_code == 200
    (row,) = [row for row in road.rows("audit", action="x-road") if row["message"]["id"] == "many-1"]
    assert job.headers["location"].endswith(row["about"])


# -- faults on the way --------------------------------------------------------------------------------------


def test_a_request_that_comes_twice_is_one_referral(road: Road) -> None:
    road.faults.next("duplicate")
    answer = road.send("XR-5")
    assert answer.status_code == 200  # the second of the two heard that it is there
    assert len(road.rows("referrals", external_id="XR-5")) == 1


def test_a_lost_answer_is_asked_for_again(road: Road) -> None:
    road.faults.next("lost-answer")
    lost = road.send("XR-6")
    assert (lost.status_code, lost.headers["x-road-error"]) == (500, "Server.ServerProxy.NetworkError")
    (kept,) = road.rows("referrals", external_id="XR-6")
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
    assert holds(log.rows, log.key)
    assert not any(code in str(log.rows) for code in CODES)
    changed = [dict(row) for row in log.rows]
    changed[1]["client"] = NOBODY
    assert not holds(changed, log.key)
    assert not holds(log.rows[1:], log.key)


def test_the_hash_of_a_request_is_that_of_the_specification() -> None:
    headers = [("x-road-client", TOWN)]
    assert request_hash(headers, b"") != request_hash(headers, b"{}")
    assert request_hash(headers, b"{}") == request_hash(headers, b"{}")


# -- who may not --------------------------------------------------------------------------------------------


def test_a_member_that_nobody_registered(road: Road) -> None:
    answer = road.call("GET", REFERRALS, NOBODY)
    assert (answer.status_code, code_of(answer)) == (403, "x-road-member")
    assert "x-road-error" not in answer.headers  # it is ours, not X-Road's
    assert road.rows("audit", action="x-road-refused")[-1]["detail"] == NOBODY


@pytest.mark.parametrize(
    "named",
    [
        [],
        [TOWN, TOWN],
        [TOWN, COUNTY],
        ["FI-TEST/MUN/1234567-8"[:-2] + "/a/b/c"],
        ["FI-TEST/MUN"],
        [TOWN.replace("/", "%2F")],
        [TOWN + "/"],
        ["FI-TEST/MUN/1234567-8/Ty%C3"],
        ["FI-TEST/MUN/1234567-8/Työllisyys"],
        ["FI-TEST/MUN/1234567-8/a_b"],
        [""],
    ],
)
def test_a_header_that_names_nobody_or_two(road: Road, named: list[str]) -> None:
    """By whoever holds the security server's certificate, but does not keep to the protocol."""
    headers = [(b"x-road-client", one.encode()) for one in named]
    with road.straight(road.security_server) as http:
        answer = http.get(REFERRALS, headers=headers)
    assert (answer.status_code, code_of(answer)) == (400, "x-road-client")


def test_percent_encoded_parts_mean_the_same_member(road: Road) -> None:
    assert road.call("GET", REFERRALS, TOWN.replace("-", "%2D")).status_code == 200


def test_without_the_security_servers_certificate_nobody_can_speak(road: Road, tmp_path: Path) -> None:
    headers = {"x-road-client": TOWN}
    other = road.authority.issue("somebody-else")
    strangers = Authority(tmp_path / "strangers").issue("security-server")
    before = road.rows("audit", action="x-road-refused")
    for pair in (None, other, strangers):
        with road.straight(pair, headers=headers) as http, pytest.raises(httpx.TransportError):
            http.get(REFERRALS)
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


def test_nobody_else_s_headers_are_believed(road: Road) -> None:
    """The ordinary listener: they open nothing, change nothing, and reach nobody."""
    headers = {"x-road-client": TOWN, "x-road-id": "1", "x-road-userid": "FI1", "x-road-issue": "1"}
    assert httpx.get(f"{road.polku.address}{REFERRALS}", headers=headers).status_code == 401
    machine, before = road.polku.machine(), road.rows("audit", action="x-road")
    with road.polku.client(machine) as client, httpx.Client(base_url=road.polku.address) as http:
        told = client.push(referral("XR-ordinary"))
        token = {"authorization": f"Bearer {client.connection.token()}"}
        found = http.get(f"{REFERRALS}/{told.id}", headers={**headers, **token})
        assert found.status_code == 200  # it is who its token says, not who the header claims
        gone = http.post(
            f"{REFERRALS}/{told.id}/withdraw",
            json={"reason": "sent-in-error"},
            headers={**headers, **token, "if-match": '"1"'},
        )
        assert gone.status_code == 200
    assert road.rows("audit", action="x-road") == before


async def test_at_every_edge_such_headers_are_taken_off() -> None:
    """A service never gets to see them, so none can come to believe them."""
    seen: list[tuple[bytes, bytes]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    outer = FastAPI()
    outer.state.limiter = Limiter(1000, 1, 1)
    edge = Edge(app, service="x", language="fi", secure=False, answer=answer, observe=lambda *_: None)

    async def within(scope: Any, receive: Any, send: Any) -> None:
        await edge({**scope, "app": outer}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(within), base_url="http://x") as http:
        said = await http.get("/", headers={"X-Road-Client": TOWN, "x-road-represented-party": "a", "x-other": "kept"})
    assert said.status_code == 204
    names = {name for name, _ in seen}
    assert b"x-other" in names
    assert not any(name.startswith(b"x-road") for name in names)


# -- the trail ----------------------------------------------------------------------------------------------


def test_a_command_leaves_the_ids_of_its_message(road: Road) -> None:
    sent = road.send(
        "XR-8",
        x_road_id="4c1e2f9e-7c7b-4f5d-9a77-0f1b6f1f2b01",
        x_road_userid="FI-virkailija-17",
        x_road_issue="D/123/2026",
    )
    referral_id = sent.json()["id"]
    (row,) = road.rows("audit", action="x-road", about=referral_id)
    assert row["message"] == {
        "id": "4c1e2f9e-7c7b-4f5d-9a77-0f1b6f1f2b01",
        "request_id": sent.headers["x-road-request-id"],
        "user_id": "FI-virkailija-17",
        "issue": "D/123/2026",
    }
    (kept,) = road.rows("referrals", external_id="XR-8")
    assert (row["by"], row["kind"]) == (kept["client_id"], "client")
    road.call("GET", f"{REFERRALS}/{referral_id}", x_road_id="4c1e2f9e-7c7b-4f5d-9a77-0f1b6f1f2b02")
    road.call("POST", f"{REFERRALS}/{referral_id}/withdraw", sent={"reason": "sent-in-error"}, if_match='"1"')
    rows = road.rows("audit", action="x-road", about=referral_id)
    assert len(rows) == 2  # reading is in the trail by itself, where a person is looked at
    audit: Audit = road.polku.app.state.desk.audit
    assert road.polku.do(audit.verify()) == []


@pytest.mark.parametrize("user", [f"FI{CODES[0]}", CODES[1], f"x{CODES[2].lower()}x", "a" * 201, "FI vir kailija"])
def test_a_user_id_that_is_a_person_is_not_kept(road: Road, user: str) -> None:
    sent = road.send("", x_road_userid=user, x_road_issue=f"hakemus-{CODES[3]}")
    (row,) = road.rows("audit", action="x-road", about=sent.json()["id"])
    assert (row["message"]["user_id"], row["message"]["issue"]) == ("-", "-")


def test_no_row_no_answer(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trail cannot be written: the caller hears 503, and its repeat finds the referral and leaves the row."""
    write = Audit.write

    async def gone(self: Audit, who: Any, looks: Any) -> None:
        raise TimeoutError("no audit trail")

    with monkeypatch.context() as patch:
        patch.setattr(Audit, "write", gone)
        answer = road.send("XR-9")
        assert (answer.status_code, code_of(answer)) == (503, "unavailable")
    assert Audit.write is write
    again = road.send("XR-9")
    assert again.status_code == 200
    assert len(road.rows("audit", action="x-road", about=again.json()["id"])) == 1


# -- what is there ------------------------------------------------------------------------------------------


def test_only_a_members_routes_are_there(road: Road) -> None:
    told = road.send("XR-10").json()
    for method, path in (
        ("GET", "/referral/api/v1/webhooks"),
        ("POST", "/referral/api/v1/webhooks"),
        ("GET", f"{REFERRALS}/{told['id']}/person"),
        ("POST", f"{REFERRALS}/{told['id']}/accept"),
        ("GET", "/referral/referrals"),
        ("GET", "/referral/sign-in"),
        ("POST", "/referral/oauth/token"),
        ("GET", "/referral/metrics"),
        ("GET", "/referral/health/live"),
        ("GET", "/referral/live"),
        ("GET", "/"),
    ):
        answer = road.call(method, path, sent={} if method == "POST" else None)
        assert (path, answer.status_code) == (path, 404)
        assert "x-road-error" not in answer.headers


def test_the_description_for_the_catalogue(road: Road) -> None:
    with road.straight(road.security_server) as http:  # as a security server fetches it: of nobody's name
        document = http.get("/openapi.json").json()
    assert document["openapi"] == "3.0.3"
    assert REFERRALS in document["paths"]
    assert not any("webhook" in path or "accept" in path or "oauth" in path for path in document["paths"])
    headers = {one["name"]: one["required"] for one in document["components"]["parameters"].values()}
    mine = {"X-Road-Client": True, "X-Road-Id": False, "X-Road-UserId": False, "X-Road-Issue": False}
    assert mine.items() <= headers.items()
    schemathesis.openapi.from_dict(document).validate()  # by the schema of OpenAPI 3.0
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    links = {link["operationId"] for link in document["components"]["links"].values()}
    assert "withdrawReferral" in links
    assert links <= {operation["operationId"] for operation in operations}
    led = {
        link["$ref"].rpartition("/")[2]
        for operation in operations
        for told in operation["responses"].values()
        for link in told.get("links", {}).values()
    }
    assert led <= set(document["components"]["links"])
    for path in document["paths"].values():
        for operation in path.values():
            assert {"$ref": "#/components/parameters/X-Road-Client"} in operation["parameters"]
            assert "security" not in operation
    assert "securitySchemes" not in document["components"]


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
