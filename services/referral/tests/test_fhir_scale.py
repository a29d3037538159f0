"""Searches by FHIR stay quick with many referrals: by an index in its own order, from the cursor on."""

from datetime import timedelta
from typing import Any

import pytest

from polku_referral.desk import Desk
from polku_referral.fhir import search
from polku_referral.fhir.writing import Writer
from polku_referral.repository import NOT_TESTS, REFERRALS
from polku_runtime.testing import Clock
from polku_web.paging import encode

from .conftest import Sender
from .fhir_asking import found
from .fhir_material import FHIR, OWN
from .material import COUNTY, ORIGIN, TOWN

MANY = 1500
STATES = ("received", "accepted", "declined", "withdrawn", "concluded")


@pytest.fixture
async def many(desk: Desk, clock: Clock) -> str:
    """Referrals of two senders, a second between them. → the cursor after the row in the middle."""
    rows = [
        {
            "_id": f"{number:06}",
            "organisation_id": (TOWN, COUNTY)[number % 2],
            "external_id": f"A-{number}",
            "test": number % 20 == 0,
            "state": STATES[number % 5],
            "changed_at": clock.now + timedelta(seconds=number),
        }
        for number in range(MANY)
    ]
    await desk.repository.database[REFERRALS].insert_many(rows)
    middle = rows[MANY // 2]
    return encode((middle["changed_at"].isoformat(), middle["_id"]))


def stages(plan: dict[str, Any]) -> list[str]:
    inner = [plan["inputStage"]] if "inputStage" in plan else plan.get("inputStages", [])
    return [plan["stage"], *(stage for one in inner for stage in stages(one))]


@pytest.mark.parametrize("kind", ["Task", "ServiceRequest"])
async def test_no_search_reads_or_sorts_more_than_it_shows(desk: Desk, many: str, kind: Any) -> None:
    writer = Writer(OWN, f"{ORIGIN}{FHIR}", TOWN, "sdoh", lambda _, code: code)
    scope = {"organisation_id": TOWN, "test": NOT_TESTS}
    for given in (
        [],
        [("_sort", "-_lastUpdated")],
        [("_lastUpdated", "gt2026-03-02T08:10:00Z")],
        [("status", "accepted,rejected,active,completed")],
        [("status", "completed"), ("_lastUpdated", "ge2026-03-02T08:01:00Z"), ("_lastUpdated", "lt2026-03-03")],
        [("after", many)],
        [("after", many), ("_sort", "-_lastUpdated")],
        [("after", many), ("status", "accepted,rejected,active"), ("_lastUpdated", "ge2026-03-02T08:01:00Z")],
    ):
        asked = search.asked(kind, [*given, ("_count", "20")], writer)
        where = {"$and": [scope, *asked.filters, *asked.beyond]}
        rows = desk.repository.database[REFERRALS].find(where).sort(asked.order).limit(asked.part.fetch)
        plan = await rows.explain()
        used = stages(plan["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in used, given
        assert not {"COLLSCAN", "SORT"} & set(used), (given, used)
        done = plan["executionStats"]
        assert done["nReturned"] == 21, given
        # Besides those that are shown: trials and other states on the way, and a look ahead for each state.
        assert max(done["totalDocsExamined"], done["totalKeysExamined"]) <= 3 * 21, (given, done)


async def test_what_an_older_version_kept_is_found(sender: Sender, desk: Desk, clock: Clock) -> None:
    """It did not write down when a referral changed."""
    rows = desk.repository.database[REFERRALS]
    for number in range(3):
        await sender.sent(f"A-{number}")
        clock.now += timedelta(minutes=1)
    await rows.update_one({"external_id": "A-1"}, {"$unset": {"changed_at": ""}})
    await rows.update_one({"external_id": "A-0"}, {"$set": {"changed_at": None}, "$unset": {"history": ""}})
    before = await rows.find_one({"external_id": "A-2"})
    for _ in range(2):
        await desk.repository.create_indexes()
        dated = {row["external_id"]: row["changed_at"] async for row in rows.find({})}
        assert dated == {f"A-{number}": clock.now - timedelta(minutes=3 - number) for number in range(3)}
    assert await rows.find_one({"external_id": "A-2"}) == before
    assert await found(sender, "_lastUpdated=le2026-03-02T08:01Z&_count=1", "ServiceRequest") == ["A-0", "A-1"]


async def test_indexes_that_others_have_replaced_go(desk: Desk) -> None:
    rows = desk.repository.database[REFERRALS]
    await rows.create_index([("organisation_id", 1), ("changed_at", 1)])
    await desk.repository.create_indexes()
    assert "organisation_id_1_changed_at_1" not in await rows.index_information()
