"""The FHIR door over HTTP: taken in once, read, searched, taken back; the same as at the JSON door."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI

from polku_referral.desk import Desk
from polku_referral.fhir.codes import BSER
from polku_runtime.testing import Clock
from polku_web.limits import Limiter

from . import test_bad_input as bad
from .conftest import Sender, SignIn, said
from .fhir_material import FHIR, JSON, OWN, service_request, transaction
from .material import API, COORDINATOR, COUNTY, MANAGER, NOBODY, ORIGIN, TOWN, body, leaks

SYSTEM = OWN.referrals(TOWN)


async def ask(sender: Sender, method: str, path: str, sent: Any = None, **headers: str) -> httpx.Response:
    """Bytes are sent as they are, everything else as FHIR's JSON."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    content = {} if sent is None else {"content": sent if isinstance(sent, bytes) else json.dumps(sent).encode()}
    given = {"content-type": JSON} if content else {}
    answer = await sender.http.request(method, f"{FHIR}{path}", headers={**given, **sender.headers, **more}, **content)  # type: ignore[arg-type]
    assert answer.headers["content-type"] == JSON, answer.text
    assert leaks(answer.text) == []
    return answer


def codes_of(answer: httpx.Response) -> list[tuple[str, ...]]:
    """Per issue: the problem's code, and the field's if there is one."""
    assert answer.json()["resourceType"] == "OperationOutcome", answer.text
    return [tuple(coding["code"] for coding in issue["details"]["coding"]) for issue in answer.json()["issue"]]


# -- taken in once ------------------------------------------------------------------------------------------


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
    for strange in ("", "status=active", "identifier=", f"{condition}&status=active"):
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


# -- the same no at both doors ------------------------------------------------------------------------------

SAYABLE = [
    (field, value)
    for field, value, _ in bad.FIELDS
    if field.partition("__")[0] in body() or field == "external_id"
    if field not in ("person", "person__id", "person__person_id", "reason__$where", "sender__a.b")
    if not (field == "reason__goals" and not isinstance(value, list))
    if not (value is None or (field == "person__protected_address"))  # FHIR knows no null; its codes are no booleans
]


async def test_what_does_not_hold_is_told_alike(sender: Sender, desk: Desk) -> None:
    assert len(SAYABLE) > 60
    for field, value in SAYABLE:
        case = f"{field}: {value!r:.40}"
        by_json = await sender.post(body(**{field: value}))
        for path, sent in (("/ServiceRequest", service_request), ("", transaction)):
            by_fhir = await ask(sender, "POST", path, sent(**{field: value}))
            assert by_fhir.status_code == by_json.status_code == 422, case
            wanted = {(by_json.json()["code"], error["code"]) for error in by_json.json()["errors"]}
            assert wanted <= set(codes_of(by_fhir)), (case, wanted, by_fhir.text)
            assert all(issue["expression"] for issue in by_fhir.json()["issue"])
            await bad.nothing_happened(by_fhir.text, desk)


async def test_identity_codes_that_are_none(sender: Sender, desk: Desk) -> None:
    place = "ServiceRequest.contained[0].identifier[0].value"
    for code, fault in (
        ("010594Y9033", "identity-check"),
        ("300294Y903X", "identity-date"),
        (" 010594Y9032", "identity-form"),
        ("010594y9032", "identity-form"),
        ("100190-000W", "identity-number"),
    ):
        answer = await ask(sender, "POST", "/ServiceRequest", service_request(person__identity_code=code))
        issues = answer.json()["issue"]
        assert (answer.status_code, codes_of(answer)[0][1], issues[0]["expression"]) == (422, fault, [place]), code
        assert code.strip() not in answer.text
    await bad.nothing_happened("", desk)


def raw(**changes: Any) -> bytes:
    return json.dumps(service_request(**changes), ensure_ascii=False).encode()


UNREADABLE: dict[str, tuple[bytes, int, str]] = {
    "not json": (b"resourceType=ServiceRequest", 400, "malformed"),
    "half of it": (raw()[:-40], 400, "malformed"),
    "not utf-8": (raw().decode().encode("utf-16"), 400, "malformed"),
    "latin-1": (raw().decode().encode("latin-1"), 400, "malformed"),
    "10 MB": (raw(reason__text="x" * 10_000_000), 413, "too-large"),
    "deep": (bad.DEEP.encode(), 400, "malformed"),
    "deep inside": (raw().replace('"tahtoo-töihin"'.encode(), b"[" * 50 + b"]" * 50), 422, "invalid"),
    "key twice": (raw().replace(b'"status": "active"', b'"status": "draft", "status": "active"', 1), 422, "invalid"),
    "NUL": (raw(person__family_name="Testi\0nen"), 422, "invalid"),
    "1e400": (raw().replace('"tahtoo-töihin"'.encode(), b"1e400"), 422, "invalid"),
    "a list": (b"[]", 422, "invalid"),
    "null": (b"null", 422, "invalid"),
    "nothing": (b"", 422, "invalid"),
    "another resource": (json.dumps(transaction()).encode(), 422, "invalid"),
    "none": (b'{"status": "active"}', 422, "invalid"),
    "XML": (b"<ServiceRequest/>", 400, "malformed"),
}


async def test_bodies_that_cannot_be_read(sender: Sender, desk: Desk) -> None:
    for name, (sent, status, code) in UNREADABLE.items():
        answer = await ask(sender, "POST", "/ServiceRequest", sent)
        assert (answer.status_code, {codes[0] for codes in codes_of(answer)}) == (status, {code}), name
        await bad.nothing_happened(answer.text, desk)


async def test_keys_that_could_be_a_person_are_not_repeated(sender: Sender) -> None:
    sent = service_request()
    sent |= {"010594Y9032": 1, "tahtoo-töihin": {"Aino-Kanarialintu": 2}}
    sent["contained"][0]["Testinen-Kanaria ry"] = True
    answer = await ask(sender, "POST", "/ServiceRequest", sent)
    assert answer.status_code == 422


# -- forms, rights, limits ----------------------------------------------------------------------------------


async def test_the_form_of_the_answer(sender: Sender) -> None:
    for query, accept, status in (
        ("", "application/fhir+json", 200),
        ("", "application/fhir+json; fhirVersion=4.0", 200),
        ("", "application/json;q=0.9, text/html", 200),
        ("", "*/*", 200),
        ("?_format=json", "application/fhir+xml", 200),
        ("?_format=application/fhir%2Bjson", "", 200),
        ("?_format=application/fhir+json", "", 200),
        ("", "application/fhir+xml", 406),
        ("", "text/html", 406),
        ("", "application/fhir+json; fhirVersion=3.0", 406),
        ("", "application/fhir+json;q=0", 406),
        ("?_format=xml", "*/*", 406),
    ):
        answer = await ask(sender, "GET", f"/metadata{query}", accept=accept)
        assert answer.status_code == status, (query, accept)
        if status == 406:
            assert codes_of(answer) == [("not-acceptable",)]


async def test_bodies_of_another_kind(sender: Sender) -> None:
    for headers in (
        {"content_type": "application/fhir+xml"},
        {"content_type": "text/plain"},
        {"content_type": "application/fhir+json; charset=iso-8859-1"},
        {"content_type": ""},
        {"content_encoding": "gzip"},
    ):
        answer = await ask(sender, "POST", "/ServiceRequest", raw(), **headers)
        assert (answer.status_code, codes_of(answer)) == (415, [("unsupported-media-type",)]), headers


async def test_plain_json_will_do(sender: Sender) -> None:
    answer = await ask(sender, "POST", "/ServiceRequest", raw(), content_type="application/json; charset=utf-8")
    assert answer.status_code == 201


async def test_metadata_is_for_everybody(sender: Sender) -> None:
    sender.headers.clear()
    told = (await ask(sender, "GET", "/metadata")).json()
    assert (told["fhirVersion"], told["kind"]) == ("4.0.1", "instance")
    assert {resource["type"] for resource in told["rest"][0]["resource"]} == {"ServiceRequest", "Task"}
    for method, path in (("GET", "/Task"), ("GET", "/Task/x"), ("POST", "/ServiceRequest"), ("PUT", "/Task/x")):
        answer = await ask(sender, method, path, {} if method != "GET" else None)
        assert (answer.status_code, codes_of(answer)) == (401, [("not-signed-in",)])
        assert (answer.headers["www-authenticate"], answer.json()["issue"][0]["code"]) == ("Bearer", "login")


async def test_scopes_open_functions(enrol: Callable[..., Any]) -> None:
    reader: Sender = await enrol(scopes=("referrals:read",))
    assert (await ask(reader, "GET", "/Task")).status_code == 200
    for method, path, sent in (("POST", "/ServiceRequest", service_request()), ("PUT", "/Task/x", {})):
        refused = await ask(reader, method, path, sent)
        assert (refused.status_code, codes_of(refused)) == (403, [("insufficient-scope",)])
    writer: Sender = await enrol(scopes=("referrals:write",))
    assert (await ask(writer, "POST", "/ServiceRequest", service_request())).status_code == 201
    assert (await ask(writer, "GET", "/ServiceRequest")).status_code == 403


async def test_people_have_their_own_door(sender: Sender, sign_in: SignIn) -> None:
    del sender
    me = await sign_in(MANAGER)
    assert (await me.get(f"{FHIR}/Task")).status_code == 401


async def test_unknown_and_forbidden_look_the_same(sender: Sender, enrol: Callable[..., Any]) -> None:
    referral = await sender.sent()
    stranger: Sender = await enrol(COUNTY)
    task = {"resourceType": "Task", "status": "cancelled", "intent": "order"}
    for at in (referral["id"], NOBODY, "0", "..%2f..%2fx", "%24where", "x" * 2000):
        answers = [
            await ask(stranger, "GET", f"/ServiceRequest/{at}"),
            await ask(stranger, "GET", f"/Task/{at}"),
            await ask(stranger, "PUT", f"/Task/{at}", task, if_match='W/"1"'),
        ]
        assert {(answer.status_code, codes_of(answer)[0][0]) for answer in answers} == {(404, "not-found")}, at
    for query in ("", f"?_id={referral['id']}", "?identifier=TE-2026-000123", f"?requester={TOWN}"):
        assert (await ask(stranger, "GET", f"/Task{query}")).json()["total"] == 0
    mine = (await ask(stranger, "POST", "/ServiceRequest", service_request())).json()
    assert codes_of(await ask(stranger, "GET", f"/Task/{NOBODY}")) == [("not-found",)]
    assert mine["issue"][0]["expression"] == ["ServiceRequest.identifier[0].system"]


async def test_addresses_that_are_not_there(sender: Sender) -> None:
    for method, path, status, code in (
        ("GET", "/Observation", 404, "not-found"),
        ("GET", "/Task/x/y", 404, "not-found"),
        ("DELETE", "/Task/x", 405, "method-not-allowed"),
        ("GET", "", 405, "method-not-allowed"),
        ("GET", "/Task/%ff", 400, "malformed"),
        ("GET", "/Task/%00", 400, "malformed"),
    ):
        answer = await ask(sender, method, path)
        assert (answer.status_code, codes_of(answer)) == (status, [(code,)]), path


async def test_too_many_requests(sender: Sender, app: FastAPI) -> None:
    app.state.limiter = Limiter(3, 60, 8)
    answers = [await ask(sender, "GET", "/Task") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert codes_of(answers[3]) == codes_of(answers[4]) == [("too-many-requests",)]
    assert int(answers[3].headers["retry-after"]) > 0


# -- what the sender says afterwards ------------------------------------------------------------------------


def reason(code: str, text: str | None = None) -> dict[str, Any]:
    told = {"coding": [{"system": OWN.codes("withdraw-reason"), "code": code}]}
    return told | ({"text": text} if text else {})


async def task_of(sender: Sender, external_id: str = "A-1") -> tuple[str, dict[str, Any]]:
    at = f"/Task/{(await sender.sent(external_id))['id']}"
    return at, (await ask(sender, "GET", at)).json()


async def test_taken_back_before_it_was_answered(sender: Sender, desk: Desk) -> None:
    at, task = await task_of(sender)
    sent = {**task, "status": "cancelled", "statusReason": reason("situation-changed")}
    done = await ask(sender, "PUT", at, sent, if_match='W/"1"')
    assert (done.status_code, done.json()["status"], done.headers["etag"]) == (200, "cancelled", 'W/"2"'), done.text
    assert done.json()["statusReason"]["coding"][0]["code"] == "situation-changed"
    again = await ask(sender, "PUT", at, sent, if_match='W/"1"')
    assert (again.status_code, again.json()) == (200, done.json())
    assert (await ask(sender, "GET", at.replace("Task", "ServiceRequest"))).json()["status"] == "revoked"
    same = await ask(sender, "PUT", at, (await ask(sender, "GET", at)).json())
    assert (same.status_code, same.headers["etag"]) == (200, 'W/"2"')
    assert await said(desk) == ["polku.referral.received.v1", "polku.referral.withdrawn.v1"]


async def test_asked_for_after_it_was_accepted(sender: Sender, sign_in: SignIn) -> None:
    at, task = await task_of(sender)
    me = await sign_in(COORDINATOR)
    await me.command(at.replace("/Task", "/referrals") + "/accept", {}, 1)
    cancelled = {"status": "cancelled", "statusReason": reason("other", "Muutti pois.")}
    late = await ask(sender, "PUT", at, {**task, **cancelled})
    assert (late.status_code, codes_of(late)) == (412, [("lost-race",)])
    task = (await ask(sender, "GET", at)).json()
    assert (task["status"], task["executionPeriod"]) == ("accepted", {"start": "2026-03-02"})
    done = await ask(sender, "PUT", at, {**task, **cancelled})
    assert done.status_code == 200, done.text
    assert done.json()["businessStatus"]["coding"][0]["code"] == "withdrawal-requested"
    twice = await ask(sender, "PUT", at, {**done.json(), **cancelled})
    assert (twice.status_code, codes_of(twice)) == (409, [("wrong-state",)])
    assert (await ask(sender, "GET", at)).json()["note"][-1]["text"] == "Muutti pois."


async def asked(sender: Sender, sign_in: SignIn, at: str) -> dict[str, Any]:
    me = await sign_in(COORDINATOR)
    question = {"text": "Kuinka monta päivää viikossa?"}
    version = (await ask(sender, "GET", at)).json()["meta"]["versionId"]
    answer = await me.command(at.replace("/Task", "/referrals") + "/ask", question, int(version))
    assert answer.status_code == 200, answer.text
    task: dict[str, Any] = (await ask(sender, "GET", at)).json()
    assert (task["statusReason"]["text"], task["note"][-1]["text"]) == (question["text"], question["text"])
    return task


async def test_a_question_is_answered(sender: Sender, sign_in: SignIn, desk: Desk, clock: Clock) -> None:
    at, _ = await task_of(sender)
    task = await asked(sender, sign_in, at)
    kind = {"coding": [{"system": OWN.codes("task-input"), "code": "answer"}]}
    sent = {**task, "input": [{"type": kind, "valueString": "Kolmena."}]}
    done = await ask(sender, "PUT", at, sent)
    assert (done.status_code, done.json()["businessStatus"]["coding"][0]["code"]) == (200, "received"), done.text
    assert (await ask(sender, "PUT", at, sent)).json() == done.json()
    task = await asked(sender, sign_in, at)
    clock.now += timedelta(minutes=1)
    sent = {**task, "note": [*task["note"], {"text": "Neljänä."}]}
    done = await ask(sender, "PUT", at, sent)
    assert done.status_code == 200, done.text
    assert (await ask(sender, "PUT", at, sent)).json() == done.json()
    notes = [(note["authorString"], note["text"]) for note in (await ask(sender, "GET", at)).json()["note"]]
    question = ("project", "Kuinka monta päivää viikossa?")
    assert notes == [question, ("sender", "Kolmena."), question, ("sender", "Neljänä.")]
    events = [kind for kind in await said(desk) if kind == "polku.referral.answered.v1"]
    assert len(events) == 2


async def test_an_answer_that_nobody_asked_for(sender: Sender) -> None:
    at, task = await task_of(sender)
    answer = await ask(sender, "PUT", at, {**task, "note": [{"text": "Muuten…"}]})
    assert (answer.status_code, codes_of(answer)) == (409, [("wrong-state",)])


@pytest.mark.parametrize(
    ("changes", "status", "code", "place"),
    [
        ({"status": "accepted"}, 422, ("refused", "not-yours"), "Task.status"),
        ({"status": "completed"}, 422, ("refused", "not-yours"), "Task.status"),
        ({"priority": "stat"}, 422, ("refused", "not-yours"), "Task.priority"),
        ({"owner": {"reference": f"Organization/{TOWN}"}, "status": "cancelled", "statusReason": reason("other", "x")}, 422, ("refused", "not-yours"), "Task.owner"),
        ({"description": "Tee näin"}, 422, ("refused", "not-yours"), "Task.description"),
        ({"status": "cancelled"}, 422, ("invalid", "missing"), "Task.statusReason"),
        ({"status": "cancelled", "statusReason": reason("because")}, 422, ("invalid", "unknown-code"), "Task.statusReason.coding[0].code"),
        ({"status": "cancelled", "statusReason": reason("other")}, 422, ("invalid", "needed"), "Task.statusReason.text"),
        ({"status": "cancelled", "statusReason": reason("other", "x" * 1001)}, 422, ("invalid", "string-too-long"), "Task.statusReason.text"),
        ({"status": 7}, 422, ("invalid", "string-type"), "Task.status"),
        ({"intent": ...}, 422, ("invalid", "missing"), "Task.intent"),
        ({"nothing": "x"}, 422, ("invalid", "extra-forbidden"), "Task.nothing"),
        ({"id": "other"}, 422, ("invalid", "not-valid"), "Task.id"),
    ],
    ids=str,
)  # fmt: skip
async def test_what_a_sender_may_not_say(
    sender: Sender, desk: Desk, changes: dict[str, Any], status: int, code: tuple[str, ...], place: str
) -> None:
    at, task = await task_of(sender)
    sent = {name: value for name, value in {**task, **changes}.items() if value is not ...}
    answer = await ask(sender, "PUT", at, sent)
    assert (answer.status_code, codes_of(answer)[0]) == (status, code), answer.text
    assert answer.json()["issue"][0]["expression"] == [place]
    assert await said(desk) == ["polku.referral.received.v1"]


async def test_the_version_that_was_seen(sender: Sender) -> None:
    at, task = await task_of(sender)
    sent = {**task, "status": "cancelled", "statusReason": {"text": "Lähetettiin vahingossa."}}
    bare = {name: value for name, value in sent.items() if name != "meta"}
    missing = await ask(sender, "PUT", at, bare)
    assert (missing.status_code, codes_of(missing)) == (428, [("version-required",)])
    assert (await ask(sender, "PUT", at, sent, if_match="yesterday")).status_code == 400
    stale = await ask(sender, "PUT", at, {**task, "meta": {"versionId": "7"}})
    assert (stale.status_code, codes_of(stale)) == (412, [("lost-race",)])
    done = await ask(sender, "PUT", at, sent)
    assert (done.status_code, done.json()["statusReason"]["coding"][0]["code"]) == (200, "other")


async def test_a_task_need_not_be_sent_back_whole(sender: Sender) -> None:
    at, task = await task_of(sender)
    sent = {"resourceType": "Task", "id": task["id"], "status": "cancelled", "intent": "order"}
    sent |= {"statusReason": reason("sent-in-error")}
    assert (await ask(sender, "PUT", at, sent, if_match='W/"1"')).json()["status"] == "cancelled"


async def test_a_partner_that_speaks_bser(sender: Sender, sign_in: SignIn, app: FastAPI) -> None:
    await app.state.directory.organisations.collection.update_one({"_id": TOWN}, {"$set": {"fhir_profile": "bser"}})
    at, task = await task_of(sender)
    assert (task["status"], task["businessStatus"]["coding"][0]) == ("received", {"system": BSER, "code": "2.0"})
    me = await sign_in(COORDINATOR)
    await me.command(at.replace("/Task", "/referrals") + "/accept", {}, 1)
    task = (await ask(sender, "GET", at)).json()
    wish = {"status": "in-progress", "businessStatus": {"coding": [{"system": BSER, "code": "5.2"}]}}
    done = await ask(sender, "PUT", at, {**task, **wish, "statusReason": reason("person-declined")})
    assert done.status_code == 200, done.text
    assert (done.json()["status"], done.json()["businessStatus"]["coding"][0]["code"]) == ("in-progress", "5.2")
    assert (await ask(sender, "PUT", at, done.json())).headers["etag"] == done.headers["etag"]
    assert (await ask(sender, "GET", "/Task?status=in-progress")).json()["total"] == 1


# -- search -------------------------------------------------------------------------------------------------


async def found(sender: Sender, query: str, kind: str = "Task") -> list[str]:
    """External ids in the order in which they were found, over all pages."""
    address, ids, total = f"/{kind}?{query}", list[str](), None
    while address:
        answer = await ask(sender, "GET", address)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        ids += [entry["resource"]["identifier"][0]["value"] for entry in told.get("entry", [])]
        links = {link["relation"]: link["url"] for link in told["link"]}
        assert links["self"].startswith(f"{ORIGIN}{FHIR}/{kind}")
        address = links.get("next", "").removeprefix(f"{ORIGIN}{FHIR}")
        total = told.get("total", total)
    assert total in (len(ids), None)
    return ids


async def test_search(sender: Sender, enrol: Callable[..., Any], sign_in: SignIn, clock: Clock) -> None:
    begun = clock.now
    for number in range(5):
        await sender.sent(f"A-{number}")
        clock.now += timedelta(minutes=1)
    other: Sender = await enrol(COUNTY)
    await other.sent("B-1")
    await sender.sign_on()
    me = await sign_in(COORDINATOR)
    changed = (await ask(sender, "GET", "/Task?identifier=A-1")).json()["entry"][0]["resource"]["id"]
    assert (await me.command(f"/referrals/{changed}/accept", {}, 1)).status_code == 200

    everything = ["A-0", "A-2", "A-3", "A-4", "A-1"]
    assert await found(sender, "") == everything
    assert await found(sender, "_count=2&_sort=_lastUpdated") == everything
    assert await found(sender, "_count=1&_sort=-_lastUpdated") == everything[::-1]
    assert await found(sender, "_count=2", "ServiceRequest") == everything
    assert await found(sender, f"requester=Organization/{TOWN}&_total=none") == everything
    assert await found(sender, f"requester={ORIGIN}{FHIR}/Organization/{TOWN}") == everything
    assert await found(sender, f"requester=Organization/{COUNTY}") == []
    assert await found(sender, "status=accepted") == ["A-1"]
    assert await found(sender, "status=requested,rejected") == everything[:4]
    assert await found(sender, "status=http://hl7.org/fhir/task-status|accepted") == ["A-1"]
    assert await found(sender, "status=active", "ServiceRequest") == everything
    assert await found(sender, "status=revoked", "ServiceRequest") == []
    assert await found(sender, f"identifier={SYSTEM}|A-3") == ["A-3"]
    assert await found(sender, "identifier=A-3,A-0", "ServiceRequest") == ["A-0", "A-3"]
    assert await found(sender, "identifier=urn:other|A-3") == []
    assert await found(sender, f"_id={changed},{NOBODY}") == ["A-1"]
    assert await found(sender, "identifier=B-1") == []

    second = (begun + timedelta(minutes=2)).isoformat().replace("+00:00", "Z")
    for prefix, wanted in (
        ("gt", ["A-3", "A-4", "A-1"]),
        ("sa", ["A-3", "A-4", "A-1"]),
        ("ge", ["A-2", "A-3", "A-4", "A-1"]),
        ("lt", ["A-0"]),
        ("eb", ["A-0"]),
        ("le", ["A-0", "A-2"]),
        ("eq", ["A-2"]),
        ("", ["A-2"]),
    ):
        assert await found(sender, f"_lastUpdated={prefix}{second}") == wanted, prefix
    assert await found(sender, f"_lastUpdated=ge{second}&_lastUpdated=lt2027-01-01&_count=1") == everything[1:]
    there = (begun + timedelta(minutes=2)).astimezone().isoformat()
    assert await found(sender, f"_lastUpdated=gt{quote(there)}") == ["A-3", "A-4", "A-1"]
    assert await found(sender, f"_lastUpdated={begun.date()}") == everything
    assert await found(sender, f"_lastUpdated=gt{begun.date()}") == []


async def test_what_was_seen_last_is_where_to_go_on(sender: Sender) -> None:
    await sender.sent()
    newest = (await ask(sender, "GET", "/Task?_sort=-_lastUpdated&_count=1")).json()["entry"][0]["resource"]
    assert await found(sender, f"_lastUpdated=gt{quote(newest['meta']['lastUpdated'])}") == []
    assert await found(sender, f"_lastUpdated=ge{quote(newest['meta']['lastUpdated'])}") == ["TE-2026-000123"]


async def test_searches_that_mean_nothing(sender: Sender) -> None:
    for query, name, code in (
        ("_lastUpdatd=gt2026-01-01", "_lastUpdatd", "unknown-parameter"),
        ("owner=x", "owner", "unknown-parameter"),
        ("status:not=accepted", "…", "unknown-parameter"),
        ("_lastUpdated=yesterday", "_lastUpdated", "not-valid"),
        ("_lastUpdated=gt2026-02-30", "_lastUpdated", "not-valid"),
        ("_lastUpdated=gt2026-01-01T08:00:00", "_lastUpdated", "not-valid"),
        ("_lastUpdated=xx2026-01-01", "_lastUpdated", "not-valid"),
        ("_count=0", "_count", "not-valid"),
        ("_count=x", "_count", "not-valid"),
        ("_sort=status", "_sort", "not-valid"),
        ("_total=some", "_total", "not-valid"),
        ("after=WzFd", "after", "cursor"),
        ("after=WyJ4IiwieSJd", "after", "cursor"),
    ):
        answer = await ask(sender, "GET", f"/Task?{query}")
        assert (answer.status_code, codes_of(answer)) == (400, [("invalid", code)]), query
        assert answer.json()["issue"][0]["location"] == [f"http:{name}"]
