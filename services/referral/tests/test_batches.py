"""Batches: each row gets what it would have got by itself, in order; all or nothing where that is asked for."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jws
from joserfc.jwk import KeySet

from polku_referral.batch import batches
from polku_referral.desk import Desk
from polku_referral.files.rows import Row
from polku_referral.submission import sha256
from polku_runtime.access import Principal
from polku_web.problems import MAX_ERRORS, Problem

from .batching import LINES, count, lines, statuses, told
from .conftest import Sender, said
from .material import AINO, API, COUNTY, ONNI, body, leaks


@pytest.fixture(params=["array", "lines"])
def send(request: pytest.FixtureRequest, sender: Sender) -> Callable[..., Any]:
    """`await send(rows, "?dry_run=true")`, as an array or as lines."""

    async def sent(rows: list[Any], query: str = "", **headers: str) -> httpx.Response:
        if request.param == "array":
            return await sender.post(rows, f"/batch{query}", **headers)
        return await sender.post(lines(*rows), f"/batch{query}", content_type=LINES, **headers)

    return sent


async def test_every_row_is_answered_in_order(sender: Sender, send: Callable[..., Any], desk: Desk) -> None:
    before = await sender.sent("A-2")
    wrong = body("A-3", person__identity_code="010594Y9033", urgency="soon")
    rows = [body("A-1"), body("A-2"), wrong, body("A-2", urgency="urgent"), body("A-5", person__identity_code=ONNI), 7]
    answer = await send(rows)
    shown = told(answer)
    assert statuses(answer) == ["created", "repeated", "refused", "refused", "created", "refused"]
    assert [row["row"] for row in shown["results"]] == [1, 2, 3, 4, 5, 6]
    assert [row["external_id"] for row in shown["results"]] == ["A-1", "A-2", "A-3", "A-2", "A-5", None]
    assert [row["http_status"] for row in shown["results"]] == [201, 200, 422, 422, 201, 422]
    assert shown["counts"] == {"created": 2, "repeated": 1, "refused": 3, "not_written": 0, "valid": 0}
    assert (shown["rows"], shown["dry_run"], shown["atomic"]) == (6, False, "item")
    again = shown["results"][1]
    assert (again["id"], again["case_code"], again["receipt"]) == (before["id"], before["case_code"], before["receipt"])
    assert again["location"] == f"{API}/referrals/{before['id']}"
    assert leaks(answer.text) == []
    assert await count(desk) == 3
    assert await said(desk) == ["polku.referral.received.v1"] * 3


@pytest.mark.parametrize(
    "wrong",
    [
        body("A-1", person__identity_code="010594Y9033"),
        body("A-1", person__identity_code=..., labour_market__status="bored", reason__goals=["work", "fame"]),
        body("A-1", shoe_size=43, referred_on="2026-13-01"),
        body("A-1", sender=...),
        body(f"X-{AINO}"),
        body("A-1", person__given_names="a\x00b"),
        {},
        [],
        "text",
    ],
)
async def test_a_row_is_refused_as_the_single_door_refuses_it(
    sender: Sender, send: Callable[..., Any], wrong: Any
) -> None:
    alone = await sender.post(wrong)
    (row,) = told(await send([wrong]))["results"]
    assert row["http_status"] == alone.status_code
    assert {**row["problem"], "instance": ""} == {**alone.json(), "instance": ""}
    assert leaks(json.dumps(row)) == []


async def test_a_line_that_is_no_json_is_that_lines_problem(sender: Sender) -> None:
    sent = lines(body("A-1"), b"", b'{"external_id": "A-2"', b"\xff\xfe", b'{"a": 1, "a": 2}', body("A-4"))
    answer = await sender.post(b"\xef\xbb\xbf" + sent.replace(b"\n", b"\r\n"), "/batch", content_type=LINES)
    shown = told(answer)["results"]
    assert [row["row"] for row in shown] == [1, 3, 4, 5, 6]
    assert [row["status"] for row in shown] == ["created", "refused", "refused", "refused", "created"]
    assert [row["problem"]["code"] for row in shown[1:4]] == ["malformed", "malformed", "invalid"]


async def test_a_row_that_is_too_large_is_that_rows_problem(sender: Sender, send: Callable[..., Any]) -> None:
    shown = told(await send([body("A-1", reason__text="x" * 300_000), body("A-2")]))["results"]
    assert [(row["status"], row["http_status"]) for row in shown] == [("refused", 413), ("created", 201)]
    assert shown[0]["problem"]["code"] == "too-large"


@pytest.mark.parametrize(
    ("sent", "content_type", "status", "code"),
    [
        (b"[]", "application/json", 422, "invalid"),
        (b"", "application/json", 400, "malformed"),
        (b"\n\n", LINES, 422, "invalid"),
        (b'{"external_id": "A-1"}', "application/json", 422, "invalid"),
        (b'{"items": [\n{"external_id": "A-1"},\n{}]}', "application/json", 422, "invalid"),
        (b'{"external_id": "A-1"}\r\n{"external_id": "A-2"}', "application/json", 415, "unsupported-media-type"),
        (b'[{"external_id": "A-1"}', "application/json", 400, "malformed"),
        (b'[{"external_id": "A-1"},]', "application/json", 400, "malformed"),
        (b"[\xff]", "application/json", 400, "malformed"),
        (b"[" * 100_000, "application/json", 400, "malformed"),
        (b'["' + b"x" * 1_000_000 + b'"]', "application/json", 413, "too-large"),
        (b"[]", "text/csv", 415, "unsupported-media-type"),
        (b"\xef\xbb\xbf\n [\n  {},\n  {}\n]", LINES, 415, "unsupported-media-type"),
        (b"\n".join([b"{}"] * 50_001), LINES, 413, "too-large"),
    ],
)
async def test_a_batch_that_cannot_be_read(
    sender: Sender, app: FastAPI, sent: bytes, content_type: str, status: int, code: str
) -> None:
    answer = await sender.post(sent, "/batch", content_type=content_type)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    for name in ("jobs", "job_chunks"):
        assert await app.state.database[name].count_documents({}) == 0


async def test_sent_again_it_is_safe_row_by_row(sender: Sender, send: Callable[..., Any], desk: Desk) -> None:
    rows = [body(f"A-{n}") for n in range(5)]
    first = told(await send(rows[:3]))["results"]
    again = told(await send(rows))["results"]
    assert [row["status"] for row in again] == ["repeated"] * 3 + ["created"] * 2
    assert [row["receipt"] for row in again[:3]] == [row["receipt"] for row in first]
    assert (await count(desk), await count(desk, "persons")) == (5, 1)


async def test_rows_of_one_id_within_a_batch(sender: Sender, send: Callable[..., Any], desk: Desk) -> None:
    rows = [body("A-1"), body("A-1"), body("A-1", urgency="urgent"), body("A-2")]
    assert statuses(await send(rows)) == ["created", "repeated", "refused", "created"]
    assert await count(desk) == 2


async def test_a_dry_run_tells_all_and_keeps_nothing(sender: Sender, send: Callable[..., Any], desk: Desk) -> None:
    before = await sender.sent("A-2")
    rows = [body("A-1"), body("A-2"), body("A-2", urgency="urgent"), body("A-1", urgency="urgent"), {}, body("A-1")]
    answer = await send(rows, "?dry_run=true")
    shown = told(answer)
    assert statuses(answer) == ["valid", "repeated", "refused", "refused", "refused", "repeated"]
    codes = [row["problem"]["code"] for row in shown["results"] if "problem" in row]
    assert codes == ["idempotency-mismatch", "idempotency-mismatch", "invalid"]
    assert (shown["dry_run"], shown["results"][1]["id"]) == (True, before["id"])
    assert (await count(desk), await count(desk, "persons")) == (1, 1)


async def test_a_batch_cut_off_in_the_middle_is_finished_by_the_repeat(
    sender: Sender, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "ROUND", 2)
    receive_many, calls = desk.intake.receive_many, iter(range(10))

    async def dying(some: Any) -> Any:
        if next(calls) == 2:
            raise ConnectionError
        return await receive_many(some)

    rows = [body(f"A-{n}") for n in range(6)]
    with monkeypatch.context() as patch:
        patch.setattr(desk.intake, "receive_many", dying)
        assert (await sender.post(rows, "/batch")).status_code in (500, 503)
    assert await count(desk) == 4
    assert statuses(await sender.post(rows, "/batch")) == ["repeated"] * 4 + ["created"] * 2


async def test_the_receipt_is_over_the_rows_own_bytes(sender: Sender) -> None:
    line = json.dumps(body("A-1"), indent=None).encode().replace(b": ", b":  ")
    sent = b"[ " + line + b" ,\n" + json.dumps(body("A-2")).encode() + b"]"
    receipt = told(await sender.post(sent, "/batch"))["results"][0]["receipt"]
    keys = KeySet.import_key_set((await sender.http.get("/referral/oauth/jwks")).json())
    claims = json.loads(jws.deserialize_compact(receipt, keys, algorithms=["ES256"]).payload)
    assert claims["body_sha256"] == sha256(line)


async def test_rows_are_told_in_the_readers_language(sender: Sender) -> None:
    finnish = told(await sender.post([{}], "/batch", accept_language="fi"))["results"][0]["problem"]
    assert finnish["title"] == "Tiedoissa on korjattavaa"
    assert finnish["errors"][0]["message"] == "Tämä tieto tarvitaan."


async def test_who_may_not(enrol: Callable[..., Any], sender: Sender, desk: Desk) -> None:
    reader = await enrol(COUNTY, scopes=("referrals:read",))
    assert (await reader.post([body()], "/batch")).status_code == 403
    del sender.headers["authorization"]
    refused = await sender.post([body()], "/batch")
    assert (refused.status_code, refused.json()["code"]) == (401, "not-signed-in")
    assert await count(desk) == 0


async def test_a_body_larger_than_it_said(sender: Sender, app: FastAPI) -> None:
    """Refused while it comes; what had come before is not kept."""

    async def endless() -> AsyncIterator[bytes]:
        row = lines(body("A-1", reason__text="x" * 3000)) + b"\n"
        for _ in range(400):
            yield row * 60

    headers = {**sender.headers, "content-type": LINES}
    answer = await sender.http.post(f"{API}/referrals/batch", content=endless(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert await app.state.database["jobs"].count_documents({}) == 0


async def test_rows_with_very_much_that_is_wrong_leave_others_their_turn(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "TURN_S", 0.0)  # each row takes longer
    raw = json.dumps({f"k{number}": 1 for number in range(4000)}).encode()
    reading = asyncio.create_task(batches.read(desk, Principal(kind="client", id="x"), [Row(n, raw) for n in range(8)]))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0)
        turns += 1
    assert {len(one.found.errors) for one in reading.result() if isinstance(one.found, Problem)} == {MAX_ERRORS}
    assert turns >= 8
