"""A referral's whole way over X-Road: in, its events back, and out again. Everything with real TLS on loopback."""

import time

from .conftest import COUNTY, REFERRALS, SERVICE, TOWN, Road, as_json, code_of

EVENTS = "/referral/api/v1/events"


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
    told = [as_json(f"XR-many-{number}", number) for number in range(3)]
    answer = road.call("POST", f"{REFERRALS}/batch", sent=told)
    assert answer.status_code == 200, answer.text
    assert len(road.rows("referrals", external_id={"$regex": "^XR-many"})) == 3
    job = road.call("POST", f"{REFERRALS}/batch", sent=told, prefer="respond-async", x_road_id="many-1")
    assert job.status_code == 202
    assert road.call("GET", job.headers["location"]).status_code == 200
    (row,) = [row for row in road.rows("audit", action="x-road") if row["message"]["id"] == "many-1"]
    assert job.headers["location"].endswith(row["about"])
