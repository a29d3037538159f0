"""Referrals that arrive together: one truth each, however often and however many at once; nobody pays for another."""

import asyncio
import time
from typing import Any

import pytest
from fastapi import FastAPI
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, ServerSelectionTimeoutError

from polku_events.refusals import Refused
from polku_referral import keeping
from polku_referral.desk import Desk
from polku_referral.model.identity import IdentityCode, parse
from polku_referral.rounds import Rounds
from polku_referral.submission import Accepted, Submission, sha256
from polku_referral.vault import Vault
from polku_referral.wire import ReferralIn
from polku_runtime.causes import Cause, because_of
from polku_web.edge import Edge

from .conftest import Sender, said
from .material import ONNI, TODAY, TOWN, body


def submission(external_id: str = "A-1", key: str | None = None, **changes: Any) -> Submission:
    sent = ReferralIn.model_validate(body(external_id, **changes))
    code = sent.person.identity_code
    identity = parse(code, "artificial", TODAY) if code else None
    assert identity is None or isinstance(identity, IdentityCode)
    return Submission(sent, identity, TOWN, "client", sha256(external_id.encode()), key)


async def count(desk: Desk, name: str) -> int:
    return await desk.repository.database[name].count_documents({})


@pytest.mark.parametrize("by_key", [False, True])
async def test_a_hundred_posts_of_one_referral(sender: Sender, desk: Desk, by_key: bool) -> None:
    headers = {"idempotency_key": "the-key"} if by_key else {}
    answers = await asyncio.gather(*(sender.post(body(), **headers) for _ in range(100)))
    assert sorted(answer.status_code for answer in answers) == [200] * 99 + [201]
    assert len({answer.text for answer in answers}) == 1
    assert (await count(desk, "referrals"), await count(desk, "persons")) == (1, 1)
    assert await said(desk) == ["polku.referral.received.v1"]


async def test_one_key_for_a_hundred_different_referrals(sender: Sender, desk: Desk) -> None:
    answers = await asyncio.gather(*(sender.post(body(f"A-{n}"), idempotency_key="k") for n in range(100)))
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 99
    assert await count(desk, "referrals") == 1


async def test_many_different_ones_at_once(sender: Sender, desk: Desk) -> None:
    answers = await asyncio.gather(
        *(
            sender.post(body(f"A-{n}", person__identity_code=None, person__date_of_birth="1994-05-01"))
            for n in range(250)
        )
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 250
    # Without an identity code nobody is taken for somebody else.
    assert (await count(desk, "referrals"), await count(desk, "persons")) == (250, 250)


async def test_one_person_in_one_round_and_across_rounds(desk: Desk) -> None:
    results = await desk.intake.receive_many(
        [submission("A-1"), submission("A-2"), submission("B", person__identity_code=ONNI)]
    )
    first, second, other = (result.referral for result in results if isinstance(result, Accepted))
    assert first.person_id == second.person_id != other.person_id
    later = await desk.intake.receive(submission("A-3"))
    assert later.referral.person_id == first.person_id
    assert later.referral.case_code == first.case_code
    assert await count(desk, "persons") == 2


async def test_two_processes_meet_the_same_person_at_once(desk: Desk) -> None:
    """Rounds that know nothing of each other, as in two API processes: the indexes decide."""
    rounds = [
        desk.intake.receive_many([submission(f"{n}-{m}") for m in range(5)] + [submission("same")]) for n in range(8)
    ]
    results = [result for found in await asyncio.gather(*rounds) for result in found]
    assert all(isinstance(result, Accepted) for result in results)
    assert len({result.referral.person_id for result in results if isinstance(result, Accepted)}) == 1
    assert (await count(desk, "persons"), await count(desk, "referrals")) == (1, 41)
    assert sum(isinstance(result, Accepted) and result.is_new for result in results) == 41


async def test_without_an_identity_code_a_referral_makes_one_person_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes with the same post, or a try after a crash, leave nobody behind whom no referral names."""

    def told(external_id: str = "A-1", born: str = "1994-05-01") -> Submission:
        return submission(external_id, person__identity_code=None, person__date_of_birth=born)

    async def crash(_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(desk.repository, "add_referrals", crash)
        with pytest.raises(ZeroDivisionError):
            await desk.intake.receive(told())
    results = [found for (found,) in await asyncio.gather(*(desk.intake.receive_many([told()]) for _ in range(8)))]
    assert sum(isinstance(result, Accepted) and result.is_new for result in results) == 1
    assert await count(desk, "persons") == 1
    # The same birth date is no sign of the same person.
    await desk.intake.receive(told("A-2"))
    assert await count(desk, "persons") == 2


async def test_results_keep_their_order(desk: Desk) -> None:
    await desk.intake.receive(submission("A-2"))
    wanted = ["A-1", "A-2", "A-3", "A-2", "A-1"]
    results = await desk.intake.receive_many([submission(external_id) for external_id in wanted])
    assert [r.referral.external_id for r in results if isinstance(r, Accepted)] == wanted
    assert [r.is_new for r in results if isinstance(r, Accepted)] == [True, False, True, False, False]


async def test_one_that_is_refused_refuses_nobody_else(desk: Desk) -> None:
    await desk.intake.receive(submission("A-1"))
    results = await desk.intake.receive_many([submission("A-1", service="training"), submission("A-2")])
    assert isinstance(results[0], Refused)
    assert results[0].code == "idempotency-mismatch"
    assert isinstance(results[1], Accepted)


async def test_a_case_code_that_is_taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = iter(["K-22222", "K-22222", "K-22222", "K-33333"])
    monkeypatch.setattr(keeping, "new_case_code", lambda _: next(codes))
    first = await desk.intake.receive(submission("A-1"))
    second = await desk.intake.receive(submission("B-1", person__identity_code=ONNI))
    assert (first.referral.case_code, second.referral.case_code) == ("K-22222", "K-33333")


async def test_a_crash_between_persons_and_referrals(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Crash(Exception):
        pass

    async def crash(_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(desk.repository, "add_referrals", crash)
        with pytest.raises(Crash):
            await desk.intake.receive(submission())
    assert (await count(desk, "persons"), await count(desk, "referrals")) == (1, 0)
    accepted = await desk.intake.receive(submission())
    assert accepted.is_new
    assert (await count(desk, "persons"), await count(desk, "referrals")) == (1, 1)
    assert await desk.repository.person(accepted.referral.person_id) is not None


async def test_mongodb_gone_is_told_to_everybody_and_the_next_round_works(
    sender: Sender, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(_: object) -> None:
        await asyncio.sleep(0.05)
        raise ServerSelectionTimeoutError("no server")

    monkeypatch.setattr(desk.intake._rounds, "largest", 3)
    with monkeypatch.context() as patch:
        patch.setattr(desk.repository, "sent_before", gone)
        began = time.perf_counter()
        answers = await asyncio.gather(*(sender.post(body(f"A-{n}")) for n in range(10)))
        assert time.perf_counter() - began < 10
    assert {(a.status_code, a.json()["code"], a.headers.get("retry-after")) for a in answers} == {
        (503, "unavailable", "2")
    }
    assert {(await sender.post(body(f"A-{n}"))).status_code for n in range(10)} == {201}
    assert len(await said(desk)) == 10


async def test_written_but_not_by_the_majority_is_no_receipt(
    sender: Sender, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The primary has the rows but could not spread them in time: they may be rolled back."""
    insert_many = AsyncCollection.insert_many

    async def weakly(self: Any, rows: Any, **more: Any) -> Any:
        await insert_many(self, rows, **more)
        unmet = {"code": 64, "errmsg": "waiting for replication timed out", "errInfo": {"wtimeout": True}}
        raise BulkWriteError({"writeErrors": [], "writeConcernErrors": [unmet], "nInserted": len(rows)})

    with monkeypatch.context() as patch:
        patch.setattr(AsyncCollection, "insert_many", weakly)
        answer = await sender.post(body())
        assert (answer.status_code, answer.headers.get("retry-after")) == (503, "2")
        assert "receipt" not in answer.text
    assert (await sender.post(body())).status_code in (200, 201)
    assert await said(desk) == ["polku.referral.received.v1"]


async def test_a_long_lasting_stream_of_rounds_outlives_the_first_deadline(
    sender: Sender, app: FastAPI, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline of the request that began the rounds must not end those of the requests that follow."""
    layer: Any = app.middleware_stack
    while not isinstance(layer, Edge):
        layer = layer.app
    monkeypatch.setattr(layer, "database_seconds", 1.0)
    sent_before = desk.repository.sent_before

    async def slow(wanted: Any) -> Any:
        await asyncio.sleep(0.1)
        return await sent_before(wanted)

    monkeypatch.setattr(desk.repository, "sent_before", slow)
    posts = []
    for number in range(20):
        posts.append(asyncio.create_task(sender.post(body(f"A-{number}"))))
        await asyncio.sleep(0.06)
    assert {answer.status_code for answer in await asyncio.gather(*posts)} == {201}


async def test_a_caller_that_hung_up_leaves_the_others_their_answers() -> None:
    async def work(items: Any) -> list[str]:
        await asyncio.sleep(0.01)
        return [f"{item}!" for item in items]

    rounds: Rounds[str, str] = Rounds(work, largest=10, seconds=1)
    calls = [asyncio.create_task(rounds.join(item)) for item in "abc"]
    await asyncio.sleep(0)
    calls[1].cancel()
    await asyncio.wait(calls)
    assert calls[1].cancelled()
    assert (calls[0].result(), calls[2].result()) == ("a!", "c!")
    assert await rounds.join("d") == "d!"


async def test_an_error_of_ours_reaches_its_own_round_alone() -> None:
    async def work(items: Any) -> list[str]:
        await asyncio.sleep(0)
        if "bad" in items:
            raise KeyError("bad")
        return list(items)

    rounds: Rounds[str, str] = Rounds(work, largest=2, seconds=1)
    answers = await asyncio.gather(*(rounds.join(i) for i in ("a", "bad", "c", "d")), return_exceptions=True)
    assert [type(answer) for answer in answers] == [KeyError, KeyError, str, str]


async def test_every_event_carries_on_its_own_request(desk: Desk) -> None:
    made = []
    for number in range(2):
        with because_of(Cause(correlation_id=f"request-{number}")):
            made.append(submission(f"A-{number}"))
    await desk.intake.receive_many(made)
    rows = desk.repository.database["referrals"].find({}).sort("external_id")
    assert [row["outbox"][0]["correlation_id"] async for row in rows] == ["request-0", "request-1"]


async def test_a_person_who_was_erased(desk: Desk, app: FastAPI) -> None:
    """Nobody else in the round is refused, and a repeat says that it is so."""
    first = await desk.intake.receive(submission("A-1"))
    known = await desk.repository.person(first.referral.person_id)
    assert known is not None
    await desk.vault.destroy(known.key)
    desk.intake.keeper.vault = Vault(app.state.client, app.state.database.name, desk.intake.keeper.master)
    # A vault that has opened nothing yet knows no key any more, as after KEY_CACHE_MS.
    results = await desk.intake.receive_many(
        [submission("A-1"), submission("A-2"), submission("B-1", person__identity_code=ONNI)]
    )
    assert [getattr(result, "code", "taken in") for result in results] == ["erased", "erased", "taken in"]


async def test_the_intake_makes_its_own_indexes(desk: Desk, app: FastAPI) -> None:
    """An API process that starts before the worker must not take the same in twice."""
    for name in ("referrals", "persons"):
        await app.state.database[name].drop_indexes()
    await asyncio.gather(*(desk.intake.receive_many([submission("A-1")]) for _ in range(2)))
    assert await count(desk, "referrals") == 1
