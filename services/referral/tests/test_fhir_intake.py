"""The FHIR door takes in once, and the same as the JSON door."""

from urllib.parse import quote

from polku_referral.desk import Desk

from . import test_bad_input as bad
from .conftest import Sender, SignIn, said
from .fhir_asking import ask, codes_of
from .fhir_material import FHIR, OWN, service_request, transaction
from .material import API, COORDINATOR, ORIGIN, TOWN, body

SYSTEM = OWN.referrals(TOWN)


async def test_an_order_is_taken_in_once(sender: Sender, desk: Desk) -> None:
    first = await ask(sender, "POST", "/ServiceRequest", service_request())
    assert first.status_code == 201, first.text
    order = first.json()
    assert first.headers["location"] == f"{ORIGIN}{FHIR}/ServiceRequest/{order['id']}"
    assert (first.headers["etag"], first.headers["last-modified"]) == ('W/"1"', "Mon, 02 Mar 2026 08:00:00 GMT")
    assert (order["status"], order["meta"]["versionId"]) == ("active", "1")
    assert order["identifier"] == [{"system": SYSTEM, "value": "TE-2026-000123"}]
    assert order["requester"] == {"reference": f"Organization/{TOWN}"}
    again = await ask(sender, "POST", "/ServiceRequest", service_request())
    assert (again.status_code, again.json()) == (200, order)
    assert (await ask(sender, "GET", f"/ServiceRequest/{order['id']}")).json() == order
    assert await said(desk) == ["polku.referral.received.v1"]


async def test_both_doors_take_in_the_same(sender: Sender, desk: Desk) -> None:
    by_json = await sender.sent()
    by_fhir = await ask(sender, "POST", "/ServiceRequest", service_request())
    assert (by_fhir.status_code, by_fhir.json()["id"]) == (200, by_json["id"])
    receipt = {extension["url"]: extension.get("valueString") for extension in by_fhir.json()["extension"]}
    assert receipt[OWN.extension("receipt")] == by_json["receipt"]
    by_bundle = await ask(sender, "POST", "", transaction())
    assert by_bundle.status_code == 200
    assert {entry["response"]["status"] for entry in by_bundle.json()["entry"]} == {"200 OK"}
    other = await ask(sender, "POST", "/ServiceRequest", service_request(service="training"))
    assert (other.status_code, codes_of(other)) == (422, [("idempotency-mismatch",)])
    assert other.json()["issue"][0]["code"] == "duplicate"
    assert (await ask(sender, "POST", "", transaction("A-2"))).status_code == 200
    assert (await sender.post(body("A-2"))).status_code == 200
    assert (await sender.post(body("A-2", reason__text="toinen"))).json()["code"] == "idempotency-mismatch"
    assert await said(desk) == ["polku.referral.received.v1"] * 2


async def test_what_is_kept_is_the_same(sender: Sender, sign_in: SignIn) -> None:
    changes = {"person__protected_address": True, "person__language": "sv", "urgency": "urgent"}
    await sender.sent("A-1", **changes)
    assert (await ask(sender, "POST", "/ServiceRequest", service_request("A-2", **changes))).status_code == 201
    me = await sign_in(COORDINATOR)
    rows = (await me.get(f"{API}/referrals")).json()["items"]
    shown = [(await me.get(f"{API}/referrals/{row['id']}/person")).json() for row in rows]
    assert shown[0] == shown[1]
    alike = ("case_code", "programme", "route", "service", "urgency", "referred_on", "answer_due", "state")
    assert [rows[0][name] for name in alike] == [rows[1][name] for name in alike]


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
    assert order["response"]["etag"] == 'W/"1"'
    assert task["resource"]["status"] == "requested"
    assert task["resource"]["focus"] == {"reference": f"ServiceRequest/{order['resource']['id']}"}
    assert (await ask(sender, "GET", f"/Task/{task['resource']['id']}")).json() == task["resource"]
    assert [one.get("fullUrl") for one in answer.json()["entry"]] == [
        one["response"].get("location") for one in answer.json()["entry"]
    ]


async def test_a_transaction_is_all_or_nothing(sender: Sender, desk: Desk) -> None:
    sent = transaction()
    sent["entry"][4]["resource"]["status"] = "completed"
    answer = await ask(sender, "POST", "", sent)
    assert (answer.status_code, codes_of(answer)) == (422, [("invalid", "unknown-code")])
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[4].resource.status"]
    await bad.nothing_happened(answer.text, desk)


async def test_validating_keeps_nothing(sender: Sender, desk: Desk) -> None:
    well = await ask(sender, "POST", "/ServiceRequest/$validate", service_request())
    assert (well.status_code, well.json()["issue"][0]["severity"]) == (200, "information")
    wrong = await ask(sender, "POST", "/ServiceRequest/$validate", service_request(programme="nowhere"))
    assert (wrong.status_code, codes_of(wrong)) == (200, [("invalid", "unknown-code")])
    await bad.nothing_happened(wrong.text, desk)
    await sender.sent()
    other = await ask(sender, "POST", "/ServiceRequest/$validate", service_request(service="training"))
    assert (other.status_code, codes_of(other)) == (200, [("idempotency-mismatch",)])
    assert (await ask(sender, "POST", "/ServiceRequest/$validate", b"{")).status_code == 400


async def test_validating_as_libraries_call_an_operation(sender: Sender) -> None:
    """HAPI's client knows `Parameters` alone. Places stay those of the ServiceRequest."""
    one = {"name": "resource", "resource": service_request(programme="nowhere")}
    wrong = await ask(sender, "POST", "/ServiceRequest/$validate", {"resourceType": "Parameters", "parameter": [one]})
    assert (wrong.status_code, codes_of(wrong)) == (200, [("invalid", "unknown-code")])
    assert wrong.json()["issue"][0]["expression"] == ["ServiceRequest.category[0].coding[0].code"]
    for more in (
        [],
        [one, {"name": "mode", "valueCode": "delete"}],
        [one | {"name": "other"}],
        [one | {"resource": {"resourceType": "Task"}}],
        [{"name": "resource"}],
        [1],
        {},
        None,
    ):
        sent = {"resourceType": "Parameters", "parameter": more}
        answer = await ask(sender, "POST", "/ServiceRequest/$validate", sent)
        assert (answer.status_code, codes_of(answer)) == (422, [("invalid",)]), more
    kept = await ask(sender, "POST", "/ServiceRequest", {"resourceType": "Parameters", "parameter": [one]})
    assert (kept.status_code, codes_of(kept)) == (422, [("invalid", "not-valid")])


async def test_if_none_exist(sender: Sender, desk: Desk) -> None:
    condition = f"identifier={SYSTEM}|A-1"
    first = await ask(sender, "POST", "/ServiceRequest", service_request("A-1"), if_none_exist=condition)
    assert first.status_code == 201
    other = service_request("A-1", service="training")
    again = await ask(sender, "POST", "/ServiceRequest", other, if_none_exist=condition)
    assert (again.status_code, again.json()) == (200, first.json())
    bundle = transaction("A-1", service="training")
    bundle["entry"][3]["request"]["ifNoneExist"] = condition
    assert (await ask(sender, "POST", "", bundle)).json()["entry"][3]["resource"] == first.json()
    nobodys = await ask(sender, "POST", "/ServiceRequest", service_request("A-2"), if_none_exist="identifier=urn:x|A-1")
    assert nobodys.status_code == 201
    encoded = quote(f"{SYSTEM}|A-1", safe="")
    address = f"{ORIGIN}{FHIR}/ServiceRequest"
    for same in (
        f"identifier={encoded}",
        f"?{condition}",
        f"ServiceRequest?{condition}",
        f"{address}?identifier={encoded}",
    ):
        answer = await ask(sender, "POST", "/ServiceRequest", other, if_none_exist=same)
        assert (answer.status_code, answer.json()) == (200, first.json()), same
    several = f"identifier={SYSTEM}|A-1,{SYSTEM}|A-2"
    foreign = f"https://example.org/fhir/ServiceRequest?{condition}"
    for strange in (
        "", "status=active", "identifier=", f"{condition}&status=active", f"Patient?{condition}", several, foreign
    ):  # fmt: skip
        answer = await ask(sender, "POST", "/ServiceRequest", service_request("A-3"), if_none_exist=strange)
        assert (answer.status_code, codes_of(answer)) == (400, [("malformed", "not-valid")]), strange
        assert answer.json()["issue"][0]["location"] == ["http:If-None-Exist"]
    assert await said(desk) == ["polku.referral.received.v1"] * 2


async def test_nothing_of_the_person_comes_back(sender: Sender) -> None:
    """`ask` looks for the canaries in every answer; here is what stands in their place."""
    order = (await ask(sender, "POST", "/ServiceRequest", service_request())).json()
    task = (await ask(sender, "GET", f"/Task/{order['id']}")).json()
    assert order["subject"] == task["for"] == {"type": "Patient", "display": order["subject"]["display"]}
    assert order["subject"]["display"].startswith("K-")
    assert "contained" not in order
    assert (await ask(sender, "GET", f"/Patient/{order['id']}")).status_code == 404
