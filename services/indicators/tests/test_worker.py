"""The whole consuming side on real Kafka and MongoDB, and the command line."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from polku_events.referral import StaffChanged
from polku_indicators import cli
from polku_indicators.app import create_worker
from polku_indicators.repository.reading import counters_of
from polku_runtime.access import find_staff
from polku_runtime.testing.workers import until, working

from .stored import check
from .stories import ALL, PROGRAMME


@pytest.fixture
async def worker(kafka_settings, effects):
    async with working(create_worker(kafka_settings, effects=effects)) as worker:
        yield worker


async def test_events_become_figures(worker, store, rules, publish):
    staff = StaffChanged(
        staff_id="s1",
        roles=["manager"],
        programmes=[PROGRAMME],
        active=True,
        sessions_valid_from=datetime(2026, 1, 1, tzinfo=UTC),
    )
    records = await publish([*ALL, (staff, 1)])

    async def counted():
        return await store.facts.count_documents({}) == len(ALL)

    await until(counted)
    await check(store, rules, [record for record in records if record.event.data is not staff])
    assert (await find_staff(store.database, "s1")).roles == {"manager"}
    assert (await counters_of(store, PROGRAMME)).counters["EECO01"] == {"man": 1, "woman": 1}
    assert await worker.ready() is None


@pytest.fixture
def environment_set(kafka_settings, monkeypatch):
    monkeypatch.setenv("POLKU_NAMESPACE", kafka_settings.namespace)
    monkeypatch.setenv("POLKU_KAFKA", kafka_settings.kafka)
    monkeypatch.setenv("POLKU_MONGO", kafka_settings.mongo)
    monkeypatch.setenv("POLKU_SESSION_KEYS", kafka_settings.session_keys.get_secret_value())


async def rebuild(*arguments):
    """In a thread of its own, since the command runs its own loop."""
    return await asyncio.to_thread(CliRunner().invoke, cli.app, list(arguments))


async def test_polku_rebuild(store, apply, publish, environment_set):
    await apply(await publish(ALL))
    done = await rebuild("--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["equal"] is True
    await store.counters.update_one({"programme": PROGRAMME}, {"$inc": {"n.EECO01.woman": 1}})
    different = await rebuild()
    assert different.exit_code == 2
    assert "Different" in different.stdout
    swapped = await rebuild("--swap")
    assert swapped.exit_code == 0
    assert "View 2 is live now" in swapped.stdout
    assert (await rebuild()).exit_code == 0


async def test_polku_rebuild_without_a_broker(store, apply, feed, environment_set, monkeypatch):
    await apply(feed.add(ALL))
    monkeypatch.setenv("POLKU_KAFKA", "127.0.0.1:1")
    failed = await rebuild("--json")
    assert failed.exit_code == 1
    assert "rebuild not done" in failed.stderr
