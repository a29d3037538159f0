"""One contract behind every door: what a sender does wrong is told alike at each of them, with the same codes.

Single JSON, a batch as JSON and as lines, FHIR and X-Road. Nothing of what was sent comes back, nor into the log.
"""

import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from polku_referral.desk import Desk
from polku_referral.door.oauth import TOKEN

from .conftest import ALL_SCOPES, Sender
from .doors import (
    DOORS,
    JSON,
    OURS,
    Send,
    Told,
    framed,
    member,
    of,
    send,
    told,
)
from .material import TOWN, body, leaks, token_form
from .test_bad_input import UNREADABLE, nothing_happened

__all__ = ["member", "send"]

FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "missing": ({"programme": ...}, "/programme", "missing"),
    "misspelt": ({"persn": {}}, "/persn", "extra-forbidden"),
    "mass assignment: organisation": ({"org_id": "x"}, "/org_id", "extra-forbidden"),
    "mass assignment: state": ({"status": "accepted"}, "/status", "extra-forbidden"),
    "mass assignment: id": ({"_id": "x"}, "/_id", "extra-forbidden"),
    "mass assignment: role": ({"role": "operator"}, "/role", "extra-forbidden"),
    "operator as a key": ({"$where": "1"}, "/$where", "extra-forbidden"),
    "path as a key": ({"person.identity_code": "1"}, "/person.identity_code", "extra-forbidden"),
    "operator as a value": ({"external_id": {"$gt": ""}}, "/external_id", "string-type"),
    "unknown programme": ({"programme": "nowhere"}, "/programme", "unknown-code"),
    "no code at all": ({"programme": "Kainuun hanke"}, "/programme", "unknown-code"),
    "spaces in an id": ({"external_id": "TE 2026 1"}, "/external_id", "string-pattern-mismatch"),
    "unknown goal": ({"reason__goals": ["work", "fame"]}, "/reason/goals/1", "unknown-code"),
    "in the future": ({"referred_on": "2026-03-03"}, "/referred_on", "in-future"),
    "check character": ({"person__identity_code": "010594Y9033"}, "/person/identity_code", "identity-check"),
    "no such day": ({"person__identity_code": "300294Y903X"}, "/person/identity_code", "identity-date"),
    "lower case": ({"person__identity_code": "010594y9032"}, "/person/identity_code", "identity-form"),
    "zero-width": ({"person__identity_code": "010594Y9032\u200b"}, "/person/identity_code", "identity-form"),
    "not in use": ({"person__identity_code": "100190-000W"}, "/person/identity_code", "identity-number"),
    "not born yet": ({"person__identity_code": "100926A929C"}, "/person/identity_code", "identity-future"),
    "of somebody real": ({"person__identity_code": "131052-308T"}, "/person/identity_code", "identity-not-artificial"),
    "a person's code as id": ({"external_id": "TE-010594Y9032"}, "/external_id", "looks-like-identity-code"),
    "turned around": ({"person__family_name": "a\u202eb"}, "/person/family_name", "string-pattern-mismatch"),
    "bell": ({"person__family_name": "a\x07b"}, "/person/family_name", "string-pattern-mismatch"),
    "NUL": ({"person__family_name": "a\0b"}, "/person/family_name", "bad-character"),
}
OF_THE_BODY = {name for name, (_, _, code) in FAULTS.items() if code in ("extra-forbidden", "missing", "string-type")}
"""Faults of our body's own form: FHIR's bodies have a form of their own, with its own tests."""


@pytest.mark.parametrize("name", FAULTS)
async def test_each_door_refuses_a_field_alike(
    send: Send, desk: Desk, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    changes, place, code = FAULTS[name]
    for door in OURS:
        answer = await send(door, of(door, **changes))
        assert told(answer) == Told(422, "invalid", frozenset({(place, code)})), door
        await nothing_happened(answer.text + caplog.text, desk)
    if name not in OF_THE_BODY:
        answer = await send("fhir", of("fhir", **changes))
        assert told(answer) == Told(422, "invalid", frozenset({("", code)}))
        await nothing_happened(answer.text + caplog.text, desk)


TEXT = "tahtoo-töihin"
RAW: dict[str, tuple[Callable[[bytes], bytes], int, str, str]] = {
    "utf-16": (lambda sent: sent.decode().encode("utf-16"), 400, "malformed", ""),
    "latin-1": (lambda sent: sent.decode().encode("latin-1"), 400, "malformed", ""),
    "overlong utf-8": (lambda sent: sent.replace(b"kainuu", b"k\xc0\xafinuu", 1), 400, "malformed", ""),
    "surrogate in utf-8": (lambda sent: sent.replace(b"kainuu", b"\xed\xa0\x80", 1), 400, "malformed", ""),
    "half of it": (lambda sent: sent[: len(sent) // 2], 400, "malformed", ""),
    "deep": (lambda sent: instead(sent, "[" * 10_000 + "]" * 10_000), 400, "malformed", ""),
    "deeper than allowed": (lambda sent: instead(sent, "[" * 50 + "]" * 50), 422, "invalid", "too-deep"),
    "NaN": (lambda sent: instead(sent, "NaN"), 422, "invalid", "number-out-of-range"),
    "Infinity": (lambda sent: instead(sent, "-Infinity"), 422, "invalid", "number-out-of-range"),
    "1e400": (lambda sent: instead(sent, "1e400"), 422, "invalid", "number-out-of-range"),
    "2^63": (lambda sent: instead(sent, str(2**63)), 422, "invalid", "number-out-of-range"),
    "5 000 digits": (lambda sent: instead(sent, "7" * 5000), 422, "invalid", "number-out-of-range"),
    "NUL, escaped": (lambda sent: instead(sent, r'"a\u0000b"'), 422, "invalid", "bad-character"),
    "lone surrogate": (lambda sent: instead(sent, r'"a\ud83d"'), 422, "invalid", "bad-character"),
    "key twice": (lambda sent: sent.replace(b"{", b'{"twice": 1, "twice": 2, ', 1), 422, "invalid", "duplicate-key"),
}


def instead(sent: bytes, literal: str) -> bytes:
    """The same with another value in the place of the reason's text."""
    changed = sent.replace(f'"{TEXT}"'.encode(), literal.encode())
    assert changed != sent
    return changed


@pytest.mark.parametrize("name", RAW)
async def test_each_door_refuses_bytes_alike(
    send: Send, desk: Desk, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil, status, code, fault = RAW[name]
    for door in DOORS:
        one = json.dumps(DOORS[door].build(), ensure_ascii=False).encode()
        answer = await send(door, framed(door, spoil(one)))
        found = told(answer)
        assert (found.status, found.code) == (status, code), (door, answer.text)
        assert {fault} == ({told_code for _, told_code in found.faults} or {""}), (door, answer.text)
        await nothing_happened(answer.text + caplog.text, desk)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"content_type": "text/plain"}, 415, "unsupported-media-type"),
        ({"content_type": "application/x-www-form-urlencoded"}, 415, "unsupported-media-type"),
        ({"content_type": "text/html"}, 415, "unsupported-media-type"),
        ({"content_encoding": "gzip"}, 415, "unsupported-media-type"),
        ({"content_encoding": "br"}, 415, "unsupported-media-type"),
        ({"content_length": "99999999999"}, 413, "too-large"),
    ],
    ids=str,
)
async def test_each_door_refuses_another_kind_of_body(
    send: Send, desk: Desk, headers: dict[str, str], status: int, code: str
) -> None:
    """A form that another site has a browser post is `text/plain` or a form; a bomb is compressed."""
    for door in DOORS:
        content = of(door)
        if "content_encoding" in headers:
            content = gzip.compress(b" " * 10_000_000)
        answer = await send(door, content, **headers)
        assert told(answer) == Told(status, code, frozenset()), door
        await nothing_happened(answer.text, desk)


async def test_without_a_token_each_door_says_the_same(
    send: Send, sender: Sender, member: httpx.AsyncClient, desk: Desk
) -> None:
    """Also from a page of another site: a browser has no token to send along."""
    sender.headers["authorization"] = "Bearer none"
    member.headers["x-road-client"] = "FI-TEST/COM/9999999-9/Tuntematon"
    for door in DOORS:
        answer = await send(door, of(door), sec_fetch_site="cross-site", origin="https://elsewhere.example")
        # A member that nobody knows has no token that it could renew.
        expected = (403, "x-road-member") if door == "x-road" else (401, "not-signed-in")
        assert told(answer) == Told(*expected, frozenset()), door
        await nothing_happened(answer.text, desk)


@pytest.mark.parametrize(
    "name", ["Mäkelä", "Ma\u0308kela\u0308", "zero\u200dwidth", "👩🏽‍🦱", "李小龍", "O’Brien", "=cmd|' /C'!A1"]
)
async def test_each_door_keeps_a_name_as_it_is(send: Send, desk: Desk, name: str) -> None:
    for door in DOORS:
        answer = await send(door, of(door, external_id=f"{door}-1", person__family_name=name))
        assert told(answer).status == 201, (door, answer.text)
        (row,) = await desk.repository.referrals.collection.find({"external_id": f"{door}-1"}).to_list()
        known = await desk.repository.person(row["person_id"])
        assert known is not None
        kept = await desk.vault.open(known.sealed["identity"], known.person.id, "identity")
        assert kept["family_name"] == name, door


async def test_a_claim_in_a_header_changes_nothing(send: Send, desk: Desk) -> None:
    """Who somebody is, and from where, is never taken from a header that anybody can set."""
    claims = {
        "x_forwarded_for": "10.0.0.1",
        "forwarded": "for=10.0.0.1;host=elsewhere.example",
        "x_forwarded_host": "elsewhere.example",
        "x_organisation": "kainuu-hyvinvointi",
        "x_http_method_override": "DELETE",
        "x_original_url": "/referral/api/v1/codes",
    }
    for door in DOORS:
        more = {} if door == "x-road" else {"x_road_client": "FI-TEST/GOV/0000000-0/Muu", "x_road_userid": "FI1"}
        answer = await send(door, of(door, external_id=f"{door}-1"), **claims, **more)
        assert told(answer).status == 201, door
        assert "elsewhere.example" not in answer.text + str(answer.headers)
    rows = await desk.repository.referrals.collection.find({}).to_list()
    assert {row["organisation_id"] for row in rows} == {TOWN}


BOMBS = {
    "external_id": "1" * 99 + "!",
    "person__email": "a" * 100 + "@" + "a@" * 50 + "!",
    "person__phone": "0 " * 15 + "x",
    "person__municipality": "2" * 60,
    "person__identity_code": "0" * 20,
    "reason__text": "a\u202e" * 2000,
}


@pytest.mark.parametrize("field", BOMBS)
async def test_awkward_text_costs_no_time_at_any_door(send: Send, field: str) -> None:
    for door in DOORS:
        content = of(door, **{field: BOMBS[field]})
        took = []
        for _ in range(3):
            began = time.process_time()
            assert 400 <= told(await send(door, content)).status < 500, door
            took.append(time.process_time() - began)
        assert min(took) < 0.2, door  # a few milliseconds; several times that where much else runs


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"grant_type=%ff", {}, 400, "malformed"),
        (b"grant_type=\xff", {}, 400, "malformed"),
        (b"grant_type=a%00b", {}, 400, "malformed"),
        (b"{}", {"content-type": JSON}, 415, "unsupported-media-type"),
        (b"grant_type=x", {"content-type": "text/plain"}, 415, "unsupported-media-type"),
        (gzip.compress(b"a" * 10_000_000, mtime=0), {"content-encoding": "gzip"}, 415, "unsupported-media-type"),
        (b"grant_type=" + b"a" * 300_000, {}, 413, "too-large"),
        (b"scope=" + b"a" * 501, {}, 422, "invalid"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_the_token_endpoint_refuses_as_the_doors_do(
    sender: Sender, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    said = {"content-type": "application/x-www-form-urlencoded", **headers}
    answer = await sender.http.post(TOKEN, content=content, headers=said)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_what_a_token_is_asked_for_beyond_its_form_is_passed_over(sender: Sender) -> None:
    """RFC 6749 §3.2: unknown parameters are ignored. They open nothing."""
    form = token_form(sender.assertion(), organisation_id="x", role="operator", **{"client[$ne]": "1"})
    answer = await sender.http.post(TOKEN, data=form)
    assert answer.status_code == 200
    assert set(answer.json()["scope"].split()) == set(ALL_SCOPES)


def test_the_table_is_the_whole_of_it() -> None:
    """Every body that the JSON door has been tried with has its like here."""
    assert len(RAW) + 6 >= len(UNREADABLE)
    assert leaks(json.dumps(body(), ensure_ascii=False))
