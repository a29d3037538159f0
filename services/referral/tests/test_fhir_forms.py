"""The FHIR door: forms of bodies and answers, rights, addresses, limits."""

import json
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from polku_referral.desk import Desk
from polku_web.limits import Limiter

from .conftest import Sender, SignIn, said
from .fhir_asking import ask, codes_of, raw
from .fhir_material import FHIR, JSON, service_request, transaction
from .material import COUNTY, MANAGER, NOBODY, TOWN


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
            assert JSON in answer.json()["issue"][0]["details"]["text"]


async def test_bodies_of_another_kind(sender: Sender) -> None:
    for headers in (
        {"content_type": "application/fhir+xml"},
        {"content_type": "text/plain"},
        {"content_type": "application/fhir+json; charset=iso-8859-1"},
        {"content_type": ""},
        {"content_type": "application/fhir+json; fhirVersion=3.0"},
        {"content_encoding": "gzip"},
    ):
        answer = await ask(sender, "POST", "/ServiceRequest", raw(), **headers)
        assert (answer.status_code, codes_of(answer)) == (415, [("unsupported-media-type",)]), headers


async def test_plain_json_will_do(sender: Sender) -> None:
    for number, kind in enumerate(("application/json; charset=utf-8", 'application/fhir+json; fhirVersion="4.0"')):
        answer = await ask(sender, "POST", "/ServiceRequest", raw(external_id=f"A-{number}"), content_type=kind)
        assert answer.status_code == 201


async def test_as_much_of_the_answer_as_is_preferred(sender: Sender) -> None:
    for number, (prefer, applied) in enumerate(
        (
            ("return=representation", "representation"),
            ("return=OperationOutcome", "OperationOutcome"),
            ('respond-async, return="minimal"', "minimal"),
            ("return=nothing", None),
        )
    ):
        sent = json.dumps(service_request(f"A-{number}")).encode()
        headers = {**sender.headers, "content-type": JSON, "prefer": prefer}
        answer = await sender.http.post(f"{FHIR}/ServiceRequest", content=sent, headers=headers)
        assert (answer.status_code, answer.headers.get("preference-applied")) == (201, applied and f"return={applied}")
        assert (answer.headers["etag"], "/ServiceRequest/" in answer.headers["location"]) == ('W/"1"', True)
        if applied == "minimal":
            assert answer.content == b""
        else:
            kind = "OperationOutcome" if applied == "OperationOutcome" else "ServiceRequest"
            assert answer.json()["resourceType"] == kind
        entry = (await ask(sender, "POST", "", transaction(f"B-{number}"), prefer=prefer)).json()["entry"][3]
        assert ("resource" in entry, "outcome" in entry["response"]) == {
            "OperationOutcome": (False, True),
            "minimal": (False, False),
        }.get(applied or "", (True, False))


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


async def test_what_is_not_known_is_not_passed_over(sender: Sender, desk: Desk) -> None:
    for method, path, name in (
        ("POST", "/ServiceRequest?dry_run=true", "dry_run"),
        ("POST", "/ServiceRequest/$validate?profile=https://example.org/p", "profile"),
        ("POST", "?_format=json&dry_run=true", "dry_run"),
        ("GET", f"/Task/{NOBODY}?_elements=status", "_elements"),
        ("GET", "/metadata?mode=terminology", "mode"),
    ):
        answer = await ask(sender, method, path, service_request() if method == "POST" else None)
        assert (answer.status_code, codes_of(answer)) == (400, [("invalid", "unknown-parameter")]), path
        assert answer.json()["issue"][0]["location"] == [f"http:{name}"]
    assert await said(desk) == []


async def test_too_many_requests(sender: Sender, app: FastAPI) -> None:
    app.state.limiter = Limiter(3, 60, 8)
    answers = [await ask(sender, "GET", "/Task") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
    assert codes_of(answers[3]) == codes_of(answers[4]) == [("too-many-requests",)]
    assert int(answers[3].headers["retry-after"]) > 0
