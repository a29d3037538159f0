"""The audit trail: a chain that shows every change, and without which nobody sees a person."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError

from polku_referral.audit import CHAINS, Audit, Look
from polku_referral.desk import Desk
from polku_runtime.access import Principal
from polku_runtime.effects import Effects
from polku_runtime.mongo import Client, database
from polku_runtime.settings import Settings

from .conftest import Sender, SignIn
from .material import AINO, API, COORDINATOR, COUNTY, ELSEWHERE, NOBODY, PAGES, leaks

WHO = Principal(kind="staff", id="staff-1", roles=frozenset({"coordinator"}))


@pytest.fixture
def reusable() -> bool:
    """Collections that refuse everything are made here."""
    return False


@pytest.fixture
async def audit(mongo_client: Client, settings: Settings, effects: Effects) -> Audit:
    return Audit(database(mongo_client, settings, "referral"), effects)


def looks(count: int, person: str = "person-1") -> list[Look]:
    return [Look(person, f"read-{number}", ("identity",)) for number in range(count)]


async def test_a_chain_that_holds(audit: Audit) -> None:
    await audit.write(WHO, looks(3))
    await audit.write(None, looks(2))
    await audit.write(WHO, [])
    await audit.write(WHO, [Look(f"person-{n}", "read-name", ("identity",)) for n in range(100)])
    rows = [row async for row in audit.rows.find({})]
    assert len(rows) == 105
    assert {row["_id"]["chain"] for row in rows} <= set(range(CHAINS))
    assert await audit.verify() == []


async def test_many_at_once_are_one_chain_without_gaps(audit: Audit) -> None:
    await asyncio.gather(*(audit.write(WHO, looks(3)) for _ in range(20)))
    rows = [row async for row in audit.rows.find({}).sort("_id.seq")]
    assert [row["_id"]["seq"] for row in rows] == list(range(1, 61))
    assert sorted(row["action"] for row in rows) == sorted(f"read-{n}" for n in range(3) for _ in range(20))
    assert await audit.verify() == []


async def test_several_processes_write_one_chain(audit: Audit, effects: Effects) -> None:
    """Within a process readers write together; between processes the one who was slower goes on after the other."""
    others = [Audit(audit.rows.database, effects) for _ in range(3)]
    await asyncio.gather(*(one.write(WHO, looks(2)) for one in [audit, *others] * 10))
    rows = [row async for row in audit.rows.find({}).sort("_id.seq")]
    assert [row["_id"]["seq"] for row in rows] == list(range(1, 81))
    assert await audit.verify() == []


async def _edited(rows: Any, two: Any, three: Any) -> None:
    await rows.update_one({"_id": two["_id"]}, {"$set": {"by": "somebody else"}})


async def _rehashed(rows: Any, two: Any, three: Any) -> None:
    from polku_referral.audit import digest

    changed = {**two, "by": "somebody else"}
    await rows.replace_one({"_id": two["_id"]}, {**changed, "hash": digest(changed)})


async def _moved(rows: Any, two: Any, three: Any) -> None:
    await rows.update_one({"_id": two["_id"]}, {"$set": {"at": three["at"].replace(year=2020)}})


async def _deleted(rows: Any, two: Any, three: Any) -> None:
    await rows.delete_one({"_id": two["_id"]})


async def _first_deleted(rows: Any, two: Any, three: Any) -> None:
    await rows.delete_one({"_id": {**two["_id"], "seq": 1}})


async def _swapped(rows: Any, two: Any, three: Any) -> None:
    for row, place in ((two, three["_id"]), (three, two["_id"])):
        await rows.replace_one({"_id": place}, {**row, "_id": place})


async def _put_in(rows: Any, two: Any, three: Any) -> None:
    await rows.insert_one({**two, "_id": {**two["_id"], "seq": 99}})


@pytest.mark.parametrize("change", [_edited, _rehashed, _moved, _deleted, _first_deleted, _swapped, _put_in])
async def test_changes_show(audit: Audit, change: Any) -> None:
    await audit.write(WHO, looks(5))
    rows = [row async for row in audit.rows.find({}).sort("_id.seq")]
    await change(audit.rows, rows[1], rows[2])
    assert await audit.verify() != []


async def test_without_audit_nobody_sees_a_person(
    sender: Sender, sign_in: SignIn, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    referral, me = await sender.sent(), await sign_in(COORDINATOR)
    kept = await desk.repository.get(referral["id"], {})
    assert kept is not None
    refused = await sender.sent("A-2")
    assert (await me.command(f"/referrals/{refused['id']}/decline", {"reason": "other", "text": "tahtoo-töihin"}, 1)).status_code == 200  # fmt: skip

    async def down(*_: object, **__: object) -> None:
        raise ServerSelectionTimeoutError("audit store")

    monkeypatch.setattr(desk.audit.rows, "insert_many", down, raising=False)
    for reader, address in (
        (me.http, f"{API}/referrals/{referral['id']}/person"),
        (me.http, f"{API}/names?person={kept.referral.person_id}"),
        (me.http, f"{PAGES}/{referral['id']}"),
        (me.http, f"{PAGES}/{refused['id']}"),
        (sender.http, f"{API}/referrals/{refused['id']}"),
    ):
        answer = await reader.get(address, headers=sender.headers if reader is sender.http else {})
        assert answer.status_code == 503, address
        assert leaks(answer.text) == []
    assert (await me.get(PAGES)).status_code == 200  # the list opens nobody


async def test_every_look_through_http_is_a_row(sender: Sender, sign_in: SignIn, desk: Desk) -> None:
    referral, me = await sender.sent(), await sign_in(COORDINATOR)
    await me.get(f"{PAGES}/{referral['id']}")
    await me.get(f"{API}/referrals/{referral['id']}/person")
    rows = [row async for row in desk.audit.rows.find({})]
    assert [row["action"] for row in rows] == ["read-referral", "read-referral"]
    assert all(leaks(str(row)) == [] for row in rows)
    assert await desk.audit.verify() == []


async def test_what_was_refused_is_a_row_too(sender: Sender, sign_in: SignIn, enrol: Any, desk: Desk) -> None:
    """Forbidden and unknown look the same to the caller; the trail keeps what was asked for, if that is an id."""
    referral = await sender.sent()
    stranger, elsewhere = await enrol(COUNTY), await sign_in(ELSEWHERE)
    assert (await stranger.get(f"/referrals/{referral['id']}")).status_code == 404
    assert (await elsewhere.get(f"{PAGES}/{referral['id']}")).status_code == 404
    assert (await elsewhere.get(f"{API}/referrals/{referral['id']}/person")).status_code == 404
    assert (await elsewhere.command(f"/referrals/{referral['id']}/accept", {}, 1)).status_code == 404
    for unknown in (NOBODY, AINO, "0", "-1", "$where", "a" * 300):
        assert (await stranger.get(f"/referrals/{unknown}")).status_code == 404
    rows = [row async for row in desk.audit.rows.find({})]
    assert {(row["action"], row["person_id"]) for row in rows} == {("denied", None)}
    assert Counter((row["by"], row["about"]) for row in rows) == {
        (stranger.client_id, referral["id"]): 1,
        (ELSEWHERE, referral["id"]): 3,
        (stranger.client_id, NOBODY): 1,
        (stranger.client_id, "-"): 5,
    }
    assert await desk.audit.verify() == []


async def test_a_store_that_refuses_is_not_silent(audit: Audit) -> None:
    await audit.rows.database.command(
        {"create": "audit", "validator": {"action": {"$ne": "read-1"}}},
    )
    with pytest.raises(PyMongoError):
        await audit.write(WHO, looks(2))
