"""Jobs: durable and sealed before the 202, each row once whatever dies in between, and nobody else's business."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from polku_referral.batch import api as batch_api
from polku_referral.batch.jobs import Jobs
from polku_referral.batch.jobs_store import RESULTS_KEPT, JobStore
from polku_referral.desk import Desk
from polku_referral.xroad.members import Members
from polku_runtime.testing import Clock

from .batching import LINES, begun, count, finished, lines, results, stands, statuses
from .conftest import Sender
from .material import API, COUNTY, TOWN, body, leaks

CHUNK = 3


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_api, "CHUNK_ROWS", CHUNK)


async def test_a_job_from_first_to_last(
    sender: Sender, store: JobStore, worker: Callable[[], Jobs], desk: Desk, app: FastAPI
) -> None:
    before = await sender.sent("A-3")
    rows = [body(f"A-{n}", **({"urgency": "soon"} if n == 6 else {})) for n in range(8)]
    job = await begun(sender, rows)
    assert (job["state"], job["total"], job["done"]) == ("queued", 8, 0)
    chunks = await app.state.database["job_chunks"].find({}).to_list()
    assert [len(chunk["rows"]) for chunk in chunks] == [3, 3, 2]
    assert leaks(str(chunks)) == []
    key = (await app.state.database["jobs"].find_one({}))["key"]
    assert (await stands(sender, job))["state"] == "queued"

    jobs = worker()
    await jobs.run()
    now = await stands(sender, job)
    assert (now["state"], now["done"], now["counts"]["created"]) == ("running", 3, 3)
    page = (await sender.get(f"/jobs/{job['id']}/results?limit=10")).json()
    assert ([row["row"] for row in page["items"]], page["next"] is not None) == ([1, 2, 3], True)
    await finished(jobs, store)

    now = await stands(sender, job)
    assert (now["state"], now["done"]) == ("done", 8)
    assert now["counts"] == {"created": 6, "repeated": 1, "refused": 1, "not_written": 0, "valid": 0}
    shown = await results(sender, job)
    assert [row["row"] for row in shown] == list(range(1, 9))
    assert [row["status"] for row in shown] == ["created"] * 3 + ["repeated"] + ["created"] * 2 + ["refused", "created"]
    assert (shown[3]["id"], shown[3]["location"]) == (before["id"], f"{API}/referrals/{before['id']}")
    assert shown[3]["receipt"] == before["receipt"]
    alone = (await sender.get(f"/referrals/{shown[0]['id']}")).json()
    assert shown[0]["receipt"] == alone["receipt"]
    assert "receipt" not in shown[6]
    assert shown[6]["problem"]["errors"][0]["pointer"] == "/urgency"
    assert leaks(json.dumps(shown)) == []
    assert await count(desk) == 7

    left = await app.state.database["job_chunks"].find({}).to_list()
    assert all("blob" not in chunk and "said" not in chunk for chunk in left)
    kept_until = desk.effects.now() + RESULTS_KEPT
    assert {chunk["expires_at"] for chunk in left} == {kept_until}
    row = await app.state.database["jobs"].find_one({})
    assert ("key" in row, row["expires_at"]) == (False, kept_until)
    keys = app.state.database.client[f"{app.state.database.name}_keys"]["data_keys"]
    assert await keys.find_one({"_id": key}) is None


async def test_a_job_says_why_in_the_readers_language(sender: Sender, store: JobStore, worker: Any) -> None:
    job = await begun(sender, [{}], accept_language="sv")
    await finished(worker(), store)
    answer = await sender.http.get(
        f"{API}/jobs/{job['id']}/results", headers={**sender.headers, "accept-language": "fi"}
    )
    problem = answer.json()["items"][0]["problem"]
    assert problem["errors"][0]["message"] == "Tämä tieto tarvitaan."
    assert "detail" not in problem


async def test_a_thousand_rows_are_answered_and_one_more_is_a_job(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_api, "CHUNK_ROWS", 200)
    rows = [body("A-1")] * 1000
    assert len(statuses(await sender.post(rows, "/batch?dry_run=true"))) == 1000
    for content_type, sent in (("application/json", [*rows, 7]), (LINES, lines(*rows, b"x"))):
        answer = await sender.post(sent, "/batch?dry_run=true", content_type=content_type)
        assert (answer.status_code, answer.json()["total"]) == (202, 1001)
        assert "preference-applied" not in answer.headers


@pytest.mark.parametrize("wrong", [body("A-1", urgency="urgent"), body("A-9", urgency="soon")])
async def test_all_or_nothing_over_many_chunks(
    sender: Sender, store: JobStore, worker: Callable[[], Jobs], desk: Desk, wrong: dict[str, Any]
) -> None:
    """A row in the last chunk that is wrong, or says something else than one in the first; each turn a new worker.

    The chunk before it repeats what was not written.
    """
    await sender.sent("A-0")
    rows = [*(body(f"A-{n}") for n in range(6)), *[body("A-2")] * 3, wrong]
    job = await begun(sender, rows, "?atomic=all")
    while await store.next_to_do() is not None:
        await worker().run()
        now = await stands(sender, job)
        if now["state"] == "running":
            assert (now["done"], (await sender.get(f"/jobs/{job['id']}/results")).json()["items"]) == (0, [])
    assert [row["status"] for row in await results(sender, job)] == ["repeated", *["not-written"] * 8, "refused"]
    assert now["counts"] == {"created": 0, "repeated": 1, "refused": 1, "not_written": 8, "valid": 0}
    assert await count(desk) == 1


async def test_a_dry_run_as_a_job(sender: Sender, store: JobStore, worker: Callable[[], Jobs], desk: Desk) -> None:
    rows = [*(body(f"A-{n}") for n in range(4)), body("A-0"), body("A-1", urgency="urgent"), {}]
    job = await begun(sender, rows, "?dry_run=true")
    while await store.next_to_do() is not None:
        await worker().run()
    assert [row["status"] for row in await results(sender, job)] == ["valid"] * 4 + ["repeated", "refused", "refused"]
    assert (await count(desk), await count(desk, "persons")) == (0, 0)


async def test_a_job_is_cancelled(sender: Sender, store: JobStore, worker: Callable[[], Jobs], desk: Desk) -> None:
    job = await begun(sender, [body(f"A-{n}") for n in range(7)])
    jobs = worker()
    await jobs.run()
    for _ in range(2):
        answer = await sender.http.delete(f"{API}/jobs/{job['id']}", headers=sender.headers)
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    await finished(jobs, store)
    assert [row["status"] for row in await results(sender, job)] == ["created"] * 3 + ["not-written"] * 4
    assert (await count(desk), (await stands(sender, job))["counts"]["not_written"]) == (3, 4)


async def test_a_job_that_is_all_or_nothing_is_cancelled_while_it_is_checked(
    sender: Sender, store: JobStore, worker: Callable[[], Jobs], desk: Desk
) -> None:
    """Nothing is in, and no row says that it is in order."""
    job = await begun(sender, [body(f"A-{n}") for n in range(7)], "?atomic=all")
    jobs = worker()
    await jobs.run()
    await sender.http.delete(f"{API}/jobs/{job['id']}", headers=sender.headers)
    assert (await results(sender, job), (await stands(sender, job))["done"]) == ([], 0)
    await finished(jobs, store)
    assert [row["status"] for row in await results(sender, job)] == ["not-written"] * 7
    assert ((await stands(sender, job))["counts"]["not_written"], await count(desk)) == (7, 0)


async def test_what_is_done_cannot_be_cancelled(sender: Sender, store: JobStore, worker: Callable[[], Jobs]) -> None:
    job = await begun(sender, [body("A-1")])
    await finished(worker(), store)
    answer = await sender.http.delete(f"{API}/jobs/{job['id']}", headers=sender.headers)
    assert (answer.status_code, answer.json()["state"]) == (200, "done")


async def test_jobs_take_turns(sender: Sender, store: JobStore, worker: Callable[[], Jobs], clock: Clock) -> None:
    """A small one does not wait for a large one that came first."""
    large = await begun(sender, [body(f"A-{n}") for n in range(30)])
    clock.advance(seconds=1)
    small = await begun(sender, [body("B-1")])
    jobs = worker()
    for _ in range(4):
        clock.advance(seconds=1)
        await jobs.run()
    assert (await stands(sender, small))["done"] == 1
    assert (await stands(sender, large))["state"] == "running"


async def test_only_the_own_organisation_sees_a_job(
    sender: Sender, enrol: Callable[..., Any], store: JobStore, worker: Callable[[], Jobs]
) -> None:
    job = await begun(sender, [body("A-1")])
    other, colleague = await enrol(COUNTY), await enrol(TOWN)
    for way in ("", "/results"):
        assert (await other.get(f"/jobs/{job['id']}{way}")).status_code == 404
        assert (await colleague.get(f"/jobs/{job['id']}{way}")).status_code == 200
        assert (await sender.get(f"/jobs/nothing{way}")).status_code == 404
    refused = await other.http.delete(f"{API}/jobs/{job['id']}", headers=other.headers)
    assert refused.status_code == 404
    await finished(worker(), store)
    assert (await stands(sender, job))["state"] == "done"


@pytest.mark.parametrize("away", ["client", "organisation"])
async def test_for_who_is_shut_out_no_more_rows_are_taken_in(
    sender: Sender, store: JobStore, worker: Callable[[], Jobs], app: FastAPI, clock: Clock, away: str
) -> None:
    """Whoever has stolen a key must not go on by what was sent with it."""
    admin, desk = app.state.admin, app.state.desk
    await begun(sender, [body(f"A-{n}") for n in range(8)])
    jobs = worker()
    await jobs.run()
    if away == "client":
        await admin.revoke(None, sender.client_id, None)
    else:
        await admin.open_organisation(None, TOWN, None, active=False)
    await finished(jobs, store)
    row = await app.state.database["jobs"].find_one({})
    assert (row["state"], "key" in row, await count(desk)) == ("cancelled", False, CHUNK)

    clock.advance(seconds=2)
    if away == "client":
        await admin.restore(None, sender.client_id, None)
    else:
        await admin.open_organisation(None, TOWN, None, active=True)
    await sender.sign_on()
    clock.advance(seconds=2)  # what this process knows of the client is as old
    again = await begun(sender, [body(f"A-{n}") for n in range(8)])
    await finished(jobs, store)
    assert (await stands(sender, again))["counts"]["created"] == 8 - CHUNK


@pytest.mark.parametrize(("active", "ends"), [(True, "done"), (False, "cancelled")])
async def test_a_member_of_x_road_s_job_goes_on_while_it_may_come_in(
    sender: Sender, store: JobStore, worker: Callable[[], Jobs], app: FastAPI, active: bool, ends: str
) -> None:
    members = Members(app.state.database, app.state.desk.effects)
    member = await members.register("FI-TEST/MUN/1234567-8/Tyollisyys", TOWN, ("referrals:write",), test=False)
    await begun(sender, [body(f"A-{n}") for n in range(4)])
    await app.state.database["jobs"].update_one({}, {"$set": {"client_id": member.client_id}})
    await members.change(member, active=active)
    await finished(worker(), store)
    assert (await app.state.database["jobs"].find_one({}))["state"] == ends


async def test_a_wrong_cursor(sender: Sender) -> None:
    job = await begun(sender, [body("A-1")])
    answer = await sender.get(f"/jobs/{job['id']}/results?after=WyJ4Il0")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "cursor")


async def test_what_is_kept_goes_after_thirty_days(store: JobStore, app: FastAPI) -> None:
    await store.create_indexes()
    for name in ("jobs", "job_chunks"):
        indexes = await app.state.database[name].index_information()
        assert indexes["expires_at"]["expireAfterSeconds"] == 0
    assert timedelta(days=30) == RESULTS_KEPT
