"""A referral's whole way over X-Road: in, its events back, and out again. Everything with real TLS on loopback."""

import json
import time
from typing import Any

from ..client.material import CODES
from .conftest import COUNTY, NOBODY, REFERRALS, SERVICE, TOWN, TRIAL, Road, as_json, code_of

EVENTS = "/referral/api/v1/events"


def polled(road: Road, referral_id: str, wanted: str) -> list[dict[str, Any]]:
    """A referral's events, once the wanted one is there."""
    ends, cursor, found = time.monotonic() + 20, "", list[dict[str, Any]]()
    while time.monotonic() < ends:
        page = road.call("GET", f"{EVENTS}?wait=5" + (f"&after={cursor}" if cursor else "")).json()
        found += [one for one in page["items"] if one["data"]["referral_id"] == referral_id]
        cursor = page["next"]
        if any(one["type"] == wanted for one in found):
            break
    return found


def about(road: Road, message: str) -> list[str]:
    """What the rows of a message in the audit trail are about."""
    return sorted(row["about"] for row in road.rows("audit", action="x-road", **{"message.id": message}))


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
    assert [item["type"] for item in polled(road, told["id"], "referral.received")] == ["referral.received"]

    gone = road.call(
        "POST", f"{REFERRALS}/{told['id']}/withdraw", sent={"reason": "sent-in-error"}, if_match=found.headers["etag"]
    )
    assert (gone.status_code, gone.json()["state"]) == (200, "withdrawn")
    items = polled(road, told["id"], "referral.withdrawn")
    assert [item["type"] for item in items] == ["referral.received", "referral.withdrawn"]
    # Polku's own address leads a member nowhere: in events too it is a path of the service.
    assert {item["data"]["href"] for item in items} == {sent.headers["location"]}


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
    answer = road.call("POST", f"{REFERRALS}/batch", sent=told, x_road_id="many-0")
    assert answer.status_code == 200, answer.text
    kept = road.rows("referrals", external_id={"$regex": "^XR-many"})
    assert len(kept) == 3
    # From each referral its message is found.
    assert about(road, "many-0") == sorted(one["_id"] for one in kept)
    job = road.call("POST", f"{REFERRALS}/batch", sent=told, prefer="respond-async", x_road_id="many-1")
    assert job.status_code == 202
    assert road.call("GET", job.headers["location"]).status_code == 200
    assert about(road, "many-1") == [job.headers["location"].rpartition("/")[2]]
    dry = road.call("POST", f"{REFERRALS}/batch?dry_run=true", sent=told, x_road_id="many-2")
    assert (dry.status_code, about(road, "many-2")) == (200, ["-"])  # it was about no referral: nothing was sent


def test_one_connection_carries_the_messages_of_many_members(road: Road) -> None:
    """A security server keeps its connections; each request says anew who calls."""
    address = f"{REFERRALS}/{road.send('XR-kept').json()['id']}"
    from_where = set()
    with road.straight(road.security_server) as http:
        for members, status in (([TOWN], 200), ([COUNTY], 404), ([], 400), ([NOBODY], 403), ([TOWN], 200)):
            answer = http.get(address, headers=[("x-road-client", one) for one in members])
            assert answer.status_code == status
            from_where.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(from_where) == 1


def test_a_body_in_chunks(road: Road) -> None:
    """A security server may change the transfer encoding (PR-REST §4.3)."""
    whole = json.dumps(as_json("XR-chunks")).encode()
    headers = {"x-road-client": TOWN, "content-type": "application/json"}
    with road.straight(road.security_server, headers=headers) as http:
        answer = http.post(REFERRALS, content=(whole[at : at + 100] for at in range(0, len(whole), 100)))
    assert (answer.status_code, answer.json()["external_id"]) == (201, "XR-chunks")


def test_a_file_and_a_dry_run(road: Road) -> None:
    template = road.call("GET", f"{REFERRALS}/import/template.csv").text
    cells = {
        "Lähettäjän tunniste*": "XR-file", "Ohjelma*": "kainuu", "Ohjaava taho*": "employment-service",
        "Palvelu*": "work-activity", "Lähetetty*": "2.3.2026", "Henkilötunnus": CODES[0], "Etunimet*": "Testi",
        "Sukunimi*": "Esimerkki", "Peruste*": "consent", "Peruste annettu*": "1.3.2026",
        "Työmarkkina-asema*": "unemployed", "Yksikkö*": "Yksikkö", "Lähettäjä*": "Essi", "Tavoitteet": "work",
    }  # fmt: skip
    names = template.removeprefix("\ufeff").strip().split(";")
    content = "\r\n".join([";".join(names), ";".join(cells.get(name, "") for name in names)]).encode()
    headers = {"x-road-client": TOWN, "content-type": "text/csv", "x-road-id": "file-1"}
    with road.straight(road.security_server, headers=headers) as http:
        for mode, kept in (("check", 0), ("confirm", 1)):
            answer = http.post(f"{REFERRALS}/import?mode={mode}", content=content)
            assert answer.status_code == 200, answer.text
            found = road.rows("referrals", external_id="XR-file")
            assert len(found) == kept
    assert about(road, "file-1") == ["-", found[0]["_id"]]  # checked, then sent
    assert road.call("POST", f"{REFERRALS}?dry_run=true", sent=as_json("XR-dry")).status_code == 200
    assert road.rows("referrals", external_id="XR-dry") == []


def test_a_member_that_tries_out_plays_the_projects_part(road: Road) -> None:
    told = road.send("XR-trial", TRIAL)
    assert told.json()["test"] is True
    links = told.json()["links"]
    taken = road.call("POST", links["sandbox-accept"]["href"], TRIAL, sent={}, if_match='"1"')
    assert (taken.status_code, taken.json()["state"]) == (200, "accepted")
    real = road.send("XR-not-trial").json()
    assert road.call("POST", f"{REFERRALS}/{real['id']}/sandbox/accept", sent={}, if_match='"1"').status_code == 404
