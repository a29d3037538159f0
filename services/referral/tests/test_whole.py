"""Batches that are all or nothing: whatever is wrong, dies or is faster, all of it is in, or nothing of it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection

from polku_referral.batch import batches
from polku_referral.desk import Desk
from polku_referral.keeping import Keeper
from polku_referral.vault import Vault

from .batching import count, statuses, told
from .conftest import Sender, said
from .material import ONNI, body
from .test_batches import send

__all__ = ["send"]
ALL = "/batch?atomic=all"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "ROUND", 2)  # each of these batches would be written in several rounds


async def nothing_is_kept(desk: Desk) -> bool:
    return (await count(desk), await count(desk, "persons"), await said(desk)) == (0, 0, [])


@pytest.mark.parametrize(
    "wrong", [body("A-9", urgency="soon"), body("A-0", urgency="urgent"), body("A-2", urgency="urgent"), 7]
)
async def test_all_or_nothing(sender: Sender, send: Callable[..., Any], desk: Desk, wrong: Any) -> None:
    """Wrong by itself, by what was sent before, by what stands in the same batch, or no object at all."""
    await sender.sent("A-0")
    rows = [body("A-0"), body("A-1"), body("A-2"), wrong, body("A-2")]
    answer = await send(rows, "?atomic=all")
    assert statuses(answer) == ["repeated", "not-written", "not-written", "refused", "not-written"]
    assert [row["http_status"] for row in told(answer)["results"]] == [200, 424, 424, 422, 424]
    assert await count(desk) == 1
    good = await send(rows[:3] + rows[4:], "?atomic=all")
    assert statuses(good) == ["repeated", "created", "created", "repeated"]
    shown = told(good)["results"]
    assert all(row["receipt"] for row in shown)
    assert (shown[3]["id"], shown[3]["receipt"]) == (shown[2]["id"], shown[2]["receipt"])
    assert await said(desk) == ["polku.referral.received.v1"] * 3


@pytest.mark.parametrize("dies_at", ["before the referrals", "after them"])
async def test_cut_off_while_it_is_written_nothing_is_in(
    sender: Sender, desk: Desk, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    """Persons are inserted, then referrals, then it is committed: the process dies between two of these."""
    insert_many, calls = AsyncCollection.insert_many, iter(range(1, 10))
    rows = [body(f"A-{n}", **({"person__identity_code": ONNI} if n % 2 else {})) for n in range(5)]

    async def dying(collection: Any, documents: Any, **options: Any) -> Any:
        if options.get("session") and dies_at == "before the referrals" and next(calls) == 2:
            raise ConnectionResetError
        return await insert_many(collection, documents, **options)

    async def gone(session: AsyncClientSession) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(AsyncCollection, "insert_many", dying)
        if dies_at == "after them":
            patch.setattr(AsyncClientSession, "commit_transaction", gone)
        assert (await sender.post(rows, ALL)).status_code in (500, 503)
    assert await nothing_is_kept(desk)
    assert statuses(await sender.post(rows, ALL)) == ["created"] * 5
    assert (await count(desk), await count(desk, "persons")) == (5, 2)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first two to write begin when both have been checked and found good."""
    both, write_whole, calls = asyncio.Barrier(2), Keeper.write_whole, iter(range(100))

    async def late(keeper: Keeper, fresh: Any) -> Any:
        if next(calls) < 2:
            await both.wait()
        return await write_whole(keeper, fresh)

    monkeypatch.setattr(Keeper, "write_whole", late)


@pytest.mark.usefixtures("at_once")
async def test_two_at_once_that_contradict_each_other(sender: Sender, desk: Desk) -> None:
    """One is in as a whole; of the other nothing is, not even its persons."""
    first = [body(f"A-{n}") for n in range(5)]
    second = [body(name, person__identity_code=ONNI) for name in ("B-0", "B-1", "B-2", "B-3", "A-4")]
    answers = await asyncio.gather(sender.post(first, ALL), sender.post(second, ALL))
    found = sorted(statuses(answer) for answer in answers)
    assert found == [["created"] * 5, ["not-written"] * 4 + ["refused"]]
    assert (await count(desk), await count(desk, "persons"), len(await said(desk))) == (5, 1, 5)
    refused = next(row for answer in answers for row in told(answer)["results"] if row["status"] == "refused")
    assert refused["problem"]["code"] == "idempotency-mismatch"


@pytest.mark.usefixtures("at_once")
async def test_the_same_twice_at_once(sender: Sender, desk: Desk) -> None:
    rows = [body(f"A-{n}") for n in range(5)]
    answers = await asyncio.gather(sender.post(rows, ALL), sender.post(rows, ALL))
    assert sorted(statuses(answer) for answer in answers) == [["created"] * 5, ["repeated"] * 5]
    receipts = [[row["receipt"] for row in told(answer)["results"]] for answer in answers]
    assert receipts[0] == receipts[1]
    assert (await count(desk), await count(desk, "persons"), len(await said(desk))) == (5, 1, 5)


async def test_a_single_post_that_is_faster(sender: Sender, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says the same is a repeat, one that does not keeps the batch out."""
    write_whole = Keeper.write_whole
    faster = iter([body("A-2"), body("A-3", urgency="urgent")])

    async def late(keeper: Keeper, fresh: Any) -> Any:
        if (other := next(faster, None)) is not None:
            assert (await sender.post(other)).status_code == 201
        return await write_whole(keeper, fresh)

    monkeypatch.setattr(Keeper, "write_whole", late)
    answer = await sender.post([body(f"A-{n}") for n in range(5)], ALL)
    assert statuses(answer) == ["not-written", "not-written", "repeated", "refused", "not-written"]
    assert await count(desk) == 2


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_person_who_is_erased_meanwhile(
    sender: Sender, desk: Desk, app: FastAPI, monkeypatch: pytest.MonkeyPatch, *, is_known: bool
) -> None:
    """Their row keeps the others out, whether it repeats what was sent or is new."""
    await sender.sent("A-0")
    (known,) = await desk.repository.persons_in(await persons(desk), {})
    check, keeper = batches.check, desk.intake.keeper
    forgetful = Vault(app.state.client, app.state.database.name, keeper.master)  # as after KEY_CACHE_MS

    async def checked(*arguments: Any) -> Any:
        found = await check(*arguments)
        await desk.vault.destroy(known.key)
        return found

    monkeypatch.setattr(batches, "check", checked)
    monkeypatch.setattr(keeper, "vault", forgetful)
    rows = [body("B-1", person__identity_code=ONNI), body("A-0" if is_known else "A-1")]
    assert statuses(await sender.post(rows, ALL)) == ["not-written", "refused"]
    assert (await count(desk), await count(desk, "persons")) == (1, 1)
    await forgetful.close()


async def persons(desk: Desk) -> list[str]:
    found: list[str] = await desk.repository.database["persons"].distinct("_id")
    return found
