"""Whatever a sender's system sends: a documented 4xx problem that names the place and repeats nothing of it."""

import json
import time
from typing import Any

import pytest
from fastapi import FastAPI

from polku_referral.desk import Desk

from .conftest import Sender
from .material import AINO, API, body, leaks


def raw(**changes: Any) -> str:
    return json.dumps(body(**changes), ensure_ascii=False)


DEEP = "[" * 10_000 + "]" * 10_000

UNREADABLE: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 422, "invalid"),
    "not json": (b"external_id=1", 400, "malformed"),
    "half of it": (raw()[:-40].encode(), 400, "malformed"),
    "not utf-8": (raw().encode("utf-16"), 400, "malformed"),
    "latin-1": (raw().encode("latin-1"), 400, "malformed"),
    "overlong utf-8": (raw().encode().replace(b"kainuu", b"k\xc0\xafinuu", 1), 400, "malformed"),
    "utf-8 surrogate": (raw().encode().replace(b"kainuu", b"\xed\xa0\x80", 1), 400, "malformed"),
    "byte order mark": (b"\xef\xbb\xbf" + raw().encode(), 400, "malformed"),
    "10 MB": (json.dumps(body(reason__text="x" * 10_000_000)).encode(), 413, "too-large"),
    "deep": (DEEP.encode(), 400, "malformed"),
    "deep inside": (raw().replace('"tahtoo-töihin"', "[" * 50 + "]" * 50).encode(), 422, "invalid"),
    "key twice": (raw().replace('"programme"', '"external_id": "B", "programme"').encode(), 422, "invalid"),
    "a list": (b"[]", 422, "invalid"),
    "null": (b"null", 422, "invalid"),
    "a number": (b"17", 422, "invalid"),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_bodies_that_cannot_be_read(sender: Sender, desk: Desk, name: str) -> None:
    sent, status, code = UNREADABLE[name]
    answer = await sender.post(sent)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    await nothing_happened(answer.text, desk)


async def nothing_happened(text: str, desk: Desk) -> None:
    assert leaks(text) == []
    for name in ("referrals", "persons"):
        assert await desk.repository.database[name].count_documents({}) == 0


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e400", "9223372036854775808", "1" * 5000])
async def test_numbers_that_are_none(sender: Sender, desk: Desk, literal: str) -> None:
    answer = await sender.post(raw().replace('"tahtoo-töihin"', literal).encode())
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/reason/text")
    await nothing_happened(answer.text, desk)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/json; charset=iso-8859-1"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": ""},
        {"content-encoding": "gzip"},
    ],
    ids=str,
)
async def test_bodies_of_another_kind(sender: Sender, desk: Desk, headers: dict[str, str]) -> None:
    answer = await sender.post(raw().encode(), **headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")
    await nothing_happened(answer.text, desk)


FIELDS: list[tuple[str, Any, str]] = [
    # Missing, and unknown: nothing that is misspelt is lost in silence, nothing is set that is not for the sender.
    *((field, ..., f"/{field}") for field in ("external_id", "programme", "referred_on", "person", "ground", "sender")),
    ("person__given_names", ..., "/person/given_names"),
    ("ground__basis", ..., "/ground/basis"),
    *((field, "x", f"/{field}") for field in ("organisation_id", "org_id", "status", "state", "_id", "role", "id")),
    ("person__id", "x", "/person/id"),
    ("person__person_id", "x", "/person/person_id"),
    ("reason__$where", "1", "/reason/$where"),
    ("sender__a.b", "1", "/sender/a.b"),
    # Types: nothing is bent into shape.
    *(
        ("person__given_names", value, "/person/given_names")
        for value in (7, None, True, [], {}, {"$gt": ""}, "", "  ")
    ),
    *(
        ("external_id", value, "/external_id")
        for value in ({"$gt": ""}, {"$where": "1"}, "", " A", "A B", "ä", "a" * 101, 5)
    ),
    *(("referred_on", value, "/referred_on") for value in (0, 1772236800, "1772236800", "2026-02-30", "27.2.2026")),
    *(
        ("referred_on", value, "/referred_on")
        for value in ("2026-02-27T00:00:00", "2026-3-1", "", None, "２０２６-02-27")
    ),
    *(("person__protected_address", value, "/person/protected_address") for value in ("yes", 1, "true", None)),
    *(("reason__goals", value, "/reason/goals") for value in ("work", {}, ["work"] * 11)),
    ("reason__goals", ["work", "fame"], "/reason/goals/1"),
    ("reason__goals", [{"$ne": 1}], "/reason/goals/0"),
    ("person", [], "/person"),
    ("person", "Aino-Kanarialintu", "/person"),
    # Codes and days.
    *((field, "unheard-of", f"/{field}") for field in ("programme", "route", "service", "urgency")),
    *((field, "Kainuu!", f"/{field}") for field in ("programme", "route")),
    ("person__language", "klingon", "/person/language"),
    ("ground__basis", "because", "/ground/basis"),
    ("labour_market__status", "lazy", "/labour_market/status"),
    *(
        (field, "2026-03-03", "/" + field.replace("__", "/"))
        for field in ("referred_on", "ground__given_on", "labour_market__since")
    ),
    ("person__municipality", "Kajaani", "/person/municipality"),
    *(("person__phone", value, "/person/phone") for value in ("0" * 40, "soita äidille", "040\n1")),
    *(("person__email", value, "/person/email") for value in ("aino", "a@b@c", "a b@c", "@", "a" * 101 + "@b")),
    # Characters that hide or turn what is written.
    *(
        ("person__family_name", f"Testi{c}nen", "/person/family_name")
        for c in ("\x07", "\x1b[31m", "\u202e", "\u2066", "\x85")
    ),
    ("person__family_name", "Testi\u0000nen", "/person/family_name"),
    ("reason__text", "rivi\x0b", "/reason/text"),
    ("reason__text", "x" * 4001, "/reason/text"),
    ("person__given_names", "x" * 201, "/person/given_names"),
    # Who it is.
    ("external_id", "TE-010594Y9032", "/external_id"),
    ("external_id", "te:010594y9032", "/external_id"),
    ("person__identity_code", ..., "/person"),
    ("person__date_of_birth", "1994-05-02", "/person/date_of_birth"),
    ("person__date_of_birth", "2026-03-03", "/person/date_of_birth"),
]


async def test_fields_that_do_not_hold(sender: Sender, desk: Desk) -> None:
    for field, value, pointer in FIELDS:
        answer = await sender.post(body(**{field: value}))
        case = f"{field}: {value!r:.40}"
        assert answer.status_code == 422, case
        assert answer.headers["content-type"] == "application/problem+json", case
        assert answer.json()["code"] == "invalid", case
        assert pointer in [error["pointer"] for error in answer.json()["errors"]], case
        await nothing_happened(answer.text, desk)


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("010594Y9033", "identity-check"),
        ("300294Y903X", "identity-date"),
        ("010594Y903", "identity-form"),
        (" 010594Y9032", "identity-form"),
        ("010594Y9032 ", "identity-form"),
        ("010594 Y9032", "identity-form"),
        ("010594y9032", "identity-form"),
        ("010594Z9032", "identity-form"),
        ("０10594Y9032", "identity-form"),
        ("010594Y9032\u200b", "identity-form"),
        ("100190-000W", "identity-number"),
        ("100926A929C", "identity-future"),
        ("010100+999N", "too-long-ago"),
    ],
)
async def test_identity_codes_that_are_none(sender: Sender, desk: Desk, code: str, fault: str) -> None:
    answer = await sender.post(body(person__identity_code=code))
    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/person/identity_code", fault)]
    assert code not in answer.text
    await nothing_happened(answer.text, desk)


async def test_a_birth_date_that_nobody_has(sender: Sender) -> None:
    sent = body(person__identity_code=None, person__date_of_birth="1899-01-01")
    assert (await sender.post(sent)).json()["errors"][0]["code"] == "too-long-ago"


async def test_the_pointer_repeats_no_key_that_could_be_a_person(sender: Sender, desk: Desk) -> None:
    answer = await sender.post(body(**{AINO: 1, "person__tahtoo-töihin": 1}))
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/…", "/person/…"}
    await nothing_happened(answer.text, desk)


async def test_all_that_is_wrong_is_told_at_once(sender: Sender) -> None:
    answer = await sender.post(body(programme="x", route="x", person__identity_code="010594Y9033"))
    assert {e["pointer"] for e in answer.json()["errors"]} == {"/programme", "/route", "/person/identity_code"}


async def test_a_form_that_is_not_met_is_told(sender: Sender) -> None:
    """Not only that it is not: nobody guesses which letters an id may have."""
    answer = await sender.post(body("Hämeenlinna 1", person__phone="050 123 (iltaisin)"))
    said = {error["pointer"]: error["message"] for error in answer.json()["errors"]}
    assert said.keys() == {"/external_id", "/person/phone"}
    assert "A–Z" in said["/external_id"]
    assert "digits" in said["/person/phone"] or "numeroita" in said["/person/phone"]


@pytest.mark.parametrize(
    "name",
    [
        "Mäkelä",
        "Ma\u0308kela\u0308",
        "李小龍",
        "O’Brien-Ñuñez",
        "👩🏽‍🦱",
        "محمد",
        "zero\u200dwidth",
        "<script>alert(1)</script>",
    ],
)
async def test_names_are_kept_as_they_are(sender: Sender, desk: Desk, name: str) -> None:
    referral = await sender.sent(person__family_name=name)
    kept = await desk.repository.get(referral["id"], {})
    assert kept is not None
    known = await desk.repository.person(kept.referral.person_id)
    assert known is not None
    opened = await desk.vault.open(known.sealed["identity"], known.person.id, "identity")
    assert opened["family_name"] == name


async def test_a_sender_s_own_number_is_no_identity_code(sender: Sender) -> None:
    for external_id in ("TE-20261120-0001", "261120-0001", "TE-261120-900", "010594Y90321", "A010594Y9032"):
        assert (await sender.post(body(external_id))).status_code == 201, external_id


async def test_awkward_text_costs_no_time(sender: Sender) -> None:
    awkward = "a" * 3999 + "!"
    began = time.process_time()  # a busy machine's waiting is not ours
    for sent in (body(external_id="1" * 100 + "!"), body(person__email=awkward), body(person__phone="0" * 3999 + "x")):
        assert (await sender.post(sent)).status_code == 422
    assert time.process_time() - began < 0.5


async def test_nothing_of_a_person_stands_in_clear(sender: Sender, app: FastAPI) -> None:
    """Ciphertext aside, the whole database holds nothing of what the sender told of the person."""
    await sender.sent()
    database = app.state.database
    for name in await database.list_collection_names():
        async for row in database[name].find({}):
            assert leaks(str(row)) == [], name


async def test_methods_and_addresses_that_are_not_there(sender: Sender) -> None:
    for method, path, status in (
        ("PUT", "/referrals", 405),
        ("DELETE", "/referrals/x", 405),
        ("PATCH", "/referrals/x", 405),
        ("GET", "/nothing", 404),
        ("GET", "/referrals/%00", 400),
        ("GET", "/referrals/%ff", 400),
        ("GET", "/referrals?external_id=%ff", 400),
    ):
        answer = await sender.http.request(method, f"{API}{path}", headers=sender.headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), path
