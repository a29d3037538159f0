"""The FHIR door says no as the JSON door does, at the place in the resource that was sent."""

import json

from polku_referral.desk import Desk

from . import test_bad_input as bad
from .conftest import Sender
from .fhir_asking import ask, codes_of, raw
from .fhir_material import service_request, transaction
from .material import body

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
    "very many values": (raw().replace('"tahtoo-töihin"'.encode(), f"[{'{},' * 80_000}1]".encode()), 413, "too-large"),
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
