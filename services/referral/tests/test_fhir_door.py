"""The FHIR door over HTTP: taken in once, read, searched, taken back; the same as at the JSON door."""

import json
from typing import Any

import httpx

from polku_referral.desk import Desk
from polku_runtime.testing import Clock

from .conftest import Sender, SignIn, said
from .fhir_material import FHIR, JSON, OWN, service_request, transaction
from .material import ORIGIN, TOWN, body, leaks

SYSTEM = OWN.referrals(TOWN)


async def ask(sender: Sender, method: str, path: str, sent: Any = None, **headers: str) -> httpx.Response:
    """Bytes are sent as they are, everything else as FHIR's JSON."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    content = {} if sent is None else {"content": sent if isinstance(sent, bytes) else json.dumps(sent).encode()}
    given = {"content-type": JSON} if content else {}
    answer = await sender.http.request(
        method, f"{FHIR}{path}", headers={**given, **sender.headers, **more}, **content  # type: ignore[arg-type]
    )  # fmt: skip
    assert answer.headers["content-type"] == JSON, answer.text
    assert leaks(answer.text) == []
    return answer


def codes_of(outcome: dict[str, Any]) -> list[tuple[str, ...]]:
    """Per issue: the problem's code, the field's if there is one."""
    return [tuple(coding["code"] for coding in issue["details"]["coding"]) for issue in outcome["issue"]]


async def test_an_order_is_taken_in_once(sender: Sender, desk: Desk, clock: Clock) -> None:
    first = await ask(sender, "POST", "/ServiceRequest", service_request())
    assert first.status_code == 201, first.text
    order = first.json()
    assert first.headers["location"] == f"{ORIGIN}{FHIR}/ServiceRequest/{order['id']}"
    assert first.headers["etag"] == 'W/"1"'
    assert order["status"] == "active"
    assert order["identifier"] == [{"system": SYSTEM, "value": "TE-2026-000123"}]
    assert order["meta"]["versionId"] == "1"
    again = await ask(sender, "POST", "/ServiceRequest", service_request())
    assert (again.status_code, again.json()) == (200, order)
    assert (await ask(sender, "GET", f"/ServiceRequest/{order['id']}")).json() == order
    assert await said(desk) == ["polku.referral.received.v1"]


async def test_both_doors_take_in_the_same(sender: Sender, desk: Desk) -> None:
    by_json = await sender.sent()
    by_fhir = await ask(sender, "POST", "/ServiceRequest", service_request())
    assert (by_fhir.status_code, by_fhir.json()["id"]) == (200, by_json["id"])
    by_bundle = await ask(sender, "POST", "", transaction())
    assert by_bundle.status_code == 200
    assert {entry["response"]["status"] for entry in by_bundle.json()["entry"]} == {"200 OK"}
    other = await ask(sender, "POST", "/ServiceRequest", service_request(service="training"))
    assert (other.status_code, codes_of(other.json())) == (422, [("idempotency-mismatch",)])
    assert other.json()["issue"][0]["code"] == "duplicate"
    assert (await ask(sender, "POST", "", transaction("A-2"))).status_code == 200
    assert (await sender.post(body("A-2"))).status_code == 200
    assert (await sender.post(body("A-2", reason__text="toinen"))).json()["code"] == "idempotency-mismatch"
    assert await said(desk) == ["polku.referral.received.v1"] * 2


async def test_a_transaction_answers_entry_by_entry(sender: Sender) -> None:
    answer = await ask(sender, "POST", "/", transaction())
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["type"] == "transaction-response"
    sent = [entry["resource"]["resourceType"] for entry in transaction()["entry"]]
    assert sent == ["Patient", "Organization", "Consent", "ServiceRequest", "Task"]
    order, task = told["entry"][3], told["entry"][4]
    assert [entry["response"]["status"] for entry in told["entry"]] == ["201 Created"] * 5
    assert all("resource" not in entry for entry in told["entry"][:3])
    assert order["response"]["location"] == f"{ORIGIN}{FHIR}/ServiceRequest/{order['resource']['id']}"
    assert task["resource"]["status"] == "requested"
    assert task["resource"]["focus"] == {"reference": f"ServiceRequest/{order['resource']['id']}"}
    assert (await ask(sender, "GET", f"/Task/{task['resource']['id']}")).json() == task["resource"]


async def test_metadata_is_for_everybody(sender: Sender) -> None:
    sender.headers.clear()
    told = (await ask(sender, "GET", "/metadata")).json()
    assert (told["fhirVersion"], told["kind"]) == ("4.0.1", "instance")


async def test_if_none_exist(sender: Sender) -> None:
    condition = f"identifier={SYSTEM}|A-1"
    first = await ask(sender, "POST", "/ServiceRequest", service_request("A-1"), if_none_exist=condition)
    assert first.status_code == 201
    other = service_request("A-1", service="training")
    again = await ask(sender, "POST", "/ServiceRequest", other, if_none_exist=condition)
    assert (again.status_code, again.json()) == (200, first.json())


async def test_cancelling(sender: Sender, sign_in: SignIn) -> None:
    at = f"/Task/{(await sender.sent())['id']}"
    task = (await ask(sender, "GET", at)).json()
    reason = {"coding": [{"system": OWN.codes("withdraw-reason"), "code": "situation-changed"}]}
    done = await ask(sender, "PUT", at, {**task, "status": "cancelled", "statusReason": reason}, if_match='W/"1"')
    assert (done.status_code, done.json()["status"]) == (200, "cancelled"), done.text
    assert done.headers["etag"] == 'W/"2"'


async def test_search(sender: Sender) -> None:
    for number in range(5):
        await sender.sent(f"A-{number}")
    found = await ask(sender, "GET", f"/Task?requester=Organization/{TOWN}&_count=2&status=requested")
    told = found.json()
    assert (found.status_code, told["total"], len(told["entry"])) == (200, 5, 2), found.text
