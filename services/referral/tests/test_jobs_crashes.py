"""Jobs cut off: whatever dies, breaks off or does not open, each row is taken in once and nobody is held up."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI

from polku_referral.batch import api as batch_api
from polku_referral.batch import batches
from polku_referral.batch.job import Job
from polku_referral.batch.jobs import Jobs
from polku_referral.batch.jobs_store import JobStore
from polku_referral.desk import Desk
from polku_runtime.lease import Lease
from polku_runtime.testing import Clock

from .batching import begun, count, finished, results, stands
from .conftest import Sender
from .material import ONNI, body

CHUNK = 3


class Crash(BaseException):
    """What kill -9 is to a task: nothing handles it."""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_api, "CHUNK_ROWS", CHUNK)


@pytest.mark.parametrize("dies_at", ["reading", "taking", "telling", "ending", "tidying"])
async def test_killed_at_any_point_it_goes_on_and_every_row_is_created_once(
    sender: Sender,
    store: JobStore,
    worker: Callable[[], Jobs],
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    dies_at: str,
) -> None:
    """The same job, cut off in its second turn of a kind: what it had written before is its own, and no repeat."""
    job = await begun(sender, [body(f"A-{n}") for n in range(7)])
    owner: Any = {"reading": batches, "taking": batches}.get(dies_at, store)
    name = {"reading": "read", "taking": "take", "telling": "done", "ending": "end", "tidying": "tidy"}[dies_at]
    done, calls = getattr(owner, name), iter(range(10))

    async def dying(*arguments: Any) -> Any:
        last = next(calls)
        if dies_at != "taking" and last == (1 if dies_at in ("reading", "telling") else 0):
            raise Crash
        answer = await done(*arguments)
        if dies_at == "taking" and last == 1:
            raise Crash  # all is in, and nobody has been told
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, dying)
        with pytest.raises(Crash):
            await finished(worker(), store)
    await finished(worker(), store)
    assert [row["status"] for row in await results(sender, job)] == ["created"] * 7
    assert ((await stands(sender, job))["state"], await count(desk)) == ("done", 7)


async def test_two_workers_at_once_do_no_harm(
    sender: Sender, store: JobStore, worker: Callable[[], Jobs], desk: Desk, app: FastAPI
) -> None:
    job = await begun(sender, [body(f"A-{n}") for n in range(12)])
    other = worker()
    other.lease = Lease(app.state.database, "another", desk.effects)
    await asyncio.gather(finished(worker(), store), finished(other, store))
    assert [row["status"] for row in await results(sender, job)] == ["created"] * 12
    assert await count(desk) == 12


async def test_a_repeat_within_a_job_stays_a_repeat_after_a_crash(
    sender: Sender, store: JobStore, worker: Callable[[], Jobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await begun(sender, [body("A-1"), body("A-1"), body("A-1", urgency="urgent")])

    async def dying(*_: Any) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(store, "done", dying)
        with pytest.raises(Crash):
            await finished(worker(), store)
    await finished(worker(), store)
    assert [row["status"] for row in await results(sender, job)] == ["created", "repeated", "refused"]


async def test_all_and_not_nothing(
    sender: Sender, store: JobStore, worker: Callable[[], Jobs], desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checked whole, then written whole, also when it dies between the two."""
    job = await begun(sender, [body(f"A-{n}") for n in range(7)], "?atomic=all")
    with monkeypatch.context() as patch:

        async def dying(_: Any, __: Any) -> None:
            assert await count(desk) == 0
            raise Crash

        patch.setattr(store, "_set", dying)
        with pytest.raises(Crash):
            await finished(worker(), store)
    checked = await stands(sender, job)
    assert (checked["state"], checked["done"]) == ("running", 0)
    await finished(worker(), store)
    assert [row["status"] for row in await results(sender, job)] == ["created"] * 7
    assert await count(desk) == 7


async def test_a_body_that_breaks_off_leaves_nothing(
    sender: Sender, app: FastAPI, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Job] = []
    open_ = store.open

    async def watched(*arguments: Any) -> Job:
        opened.append(await open_(*arguments))
        return opened[-1]

    monkeypatch.setattr(store, "open", watched)
    sent = json.dumps([body(f"A-{n}") for n in range(9)]).encode()
    answer = await sender.post(sent[:-1], "/batch", prefer="respond-async")
    assert answer.status_code == 400
    keys = app.state.database.client[f"{app.state.database.name}_keys"]["data_keys"]
    assert await keys.find_one({"_id": opened[0].key}) is None
    for name in ("jobs", "job_chunks"):
        assert await app.state.database[name].count_documents({}) == 0


async def test_a_job_whose_receiver_died_is_thrown_away(
    sender: Sender, store: JobStore, worker: Callable[[], Jobs], app: FastAPI, clock: Clock, monkeypatch: Any
) -> None:
    async def dying(*_: Any) -> None:
        raise Crash

    monkeypatch.setattr(store, "queue", dying)
    monkeypatch.setattr(store, "discard", dying)
    with pytest.raises(Crash):
        await sender.post([body("A-1")], "/batch", prefer="respond-async")
    monkeypatch.undo()
    row = await app.state.database["jobs"].find_one({})
    assert row["state"] == "receiving"
    assert (await sender.get(f"/jobs/{row['_id']}")).status_code == 404
    await worker().run()
    assert await app.state.database["jobs"].count_documents({}) == 1  # it may still be coming
    clock.advance(hours=2)
    await finished(worker(), store)
    for name in ("jobs", "job_chunks"):
        assert await app.state.database[name].count_documents({}) == 0


async def test_a_job_that_does_not_open_fails_and_holds_nobody(
    sender: Sender, store: JobStore, worker: Callable[[], Jobs], app: FastAPI, clock: Clock
) -> None:
    broken = await begun(sender, [body(f"A-{n}") for n in range(4)])
    chunks = app.state.database["job_chunks"]
    blob = (await chunks.find_one({"number": 1}))["blob"]
    await chunks.update_one({"number": 2}, {"$set": {"blob": blob}})  # pasted from elsewhere
    clock.advance(seconds=1)
    good = await begun(sender, [body("B-1", person__identity_code=ONNI)])
    await finished(worker(), store)
    assert (await stands(sender, broken))["state"] == "failed"
    assert [row["status"] for row in await results(sender, broken)] == ["created"] * 3 + ["not-written"]
    assert (await stands(sender, good))["state"] == "done"
