"""The clock on the database: once, in lots, never against somebody who answers; and what people see of it."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from polku_referral.clocks import day_has_come, round_, ticking
from polku_referral.desk import Desk
from polku_referral.model import answers
from polku_referral.model.clocks import strike
from polku_referral.model.referral import Decided, Referral
from polku_referral.repository import LATE
from polku_runtime.lease import Lease
from polku_runtime.testing import Clock

from .conftest import Sender, SignIn
from .material import API, COORDINATOR, MANAGER, PAGES, REFERRER
from .standing import AT, TERMS, asked, fresh


async def heard(desk: Desk) -> list[dict[str, Any]]:
    rows = desk.repository.database["referrals"].find({}).sort("_id")
    return [entry async for row in rows for entry in row["outbox"]]


async def keep(desk: Desk, *referrals: Referral) -> None:
    """Puts referrals into the database as they are, as if they had come the usual way."""
    rows = [
        {**desk.repository.referrals.document(one, []), "content": "-", "sealed": {}, "version": one.version}
        for one in (referral.model_copy(update={"version": 0}) for referral in referrals)
    ]
    await desk.repository.database["referrals"].insert_many(rows)


async def test_every_filter_finds_what_the_rule_would_change_and_uses_an_index(desk: Desk) -> None:
    """The query and the rule say the same, for referrals in every state of waiting, on many days."""
    chance, monday = random.Random(3), date(2026, 3, 2)
    made = []
    for number in range(120):
        on = monday + timedelta(days=chance.randrange(60))
        one = fresh(f"r-{number:03}", on, chance.choice(["self", "multisectoral-service"]))
        turn = chance.randrange(4)
        if turn == 1:
            one = asked(one, on)
        elif turn == 2:
            review = on + timedelta(days=30)
            later = TERMS.expires_on(one.route, review)
            one = answers.waitlist(one, review_on=review, expires_on=later, at=AT, by="s")[0]
        elif turn == 3:
            one = answers.decline(one, reason="other", on=on, at=AT, by="s")[0]
        made.append(one.model_copy(update={"reminded": chance.randrange(3)}))
    await keep(desk, *made)
    rows = desk.repository.database["referrals"]
    for number in range(0, 150, 5):
        today = monday + timedelta(days=number)
        wheres = day_has_come(TERMS, today)
        found = {row["_id"] for where in wheres for row in await rows.find(dict(where)).to_list()}
        assert found == {one.id for one in made if strike(one, TERMS, today=today, at=AT)}
    for where in day_has_come(TERMS, monday):
        plan = await rows.find(dict(where)).explain()
        assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"])


async def test_one_referral_through_its_days(desk: Desk, sender: Sender, clock: Clock) -> None:
    told = await sender.sent()
    assert told["answer_due"] == "2026-03-16"
    seen: Counter[str] = Counter()
    for _ in range(60 * 4):
        clock.advance(hours=6)
        seen[str(await round_(desk.repository, TERMS))] += 1
    assert seen == {"0": 237, "1": 3}
    events = [entry for entry in await heard(desk) if entry["version"] > 1]
    assert [(entry["type"], entry["data"].get("level")) for entry in events] == [
        ("polku.referral.reminded.v1", "due-soon"),
        ("polku.referral.reminded.v1", "overdue"),
        ("polku.referral.expired.v1", None),
    ]
    await sender.sign_on()
    shown = (await sender.get(f"/referrals/{told['id']}")).json()
    assert (shown["state"], shown["version"]) == ("expired", 4)
    assert [step["kind"] for step in shown["history"]][1:] == ["reminded-due-soon", "reminded-overdue", "expired"]


async def test_more_than_one_lot_in_one_round(desk: Desk, clock: Clock) -> None:
    await keep(desk, *(fresh(f"r-{number:04}", date(2026, 3, 2)) for number in range(450)))
    clock.advance(days=15)
    assert await round_(desk.repository, TERMS) == 450
    assert await round_(desk.repository, TERMS) == 0


async def test_two_workers_at_once_say_everything_once(desk: Desk, clock: Clock) -> None:
    await keep(desk, *(fresh(f"r-{number:04}", date(2026, 3, 2)) for number in range(60)))
    clock.advance(days=15)
    moved = await asyncio.gather(*(round_(desk.repository, TERMS) for _ in range(3)))
    assert sum(moved) == 60
    assert Counter(entry["subject"] for entry in await heard(desk)).most_common(1)[0][1] == 1


async def test_who_answers_at_the_same_moment_wins(desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock read it while it waited; it was declined before the clock could write."""
    await keep(desk, fresh("r-1", date(2026, 3, 2)))
    clock.advance(days=90)
    read = desk.repository.referrals.find

    async def slow(*args: Any, **more: Any) -> list[Referral]:
        found = await read(*args, **more)
        for before in found:
            decided: Decided = answers.decline(before, reason="other", on=date(2026, 5, 31), at=clock.now, by="s")
            await desk.repository.save(before, *decided, {})
        return found

    with monkeypatch.context() as patch:
        patch.setattr(desk.repository.referrals, "find", slow)
        assert await round_(desk.repository, TERMS) == 0
    assert await round_(desk.repository, TERMS) == 0
    assert [entry["type"] for entry in await heard(desk)] == ["polku.referral.declined.v1"]


async def test_the_task_of_the_worker_takes_turns(desk: Desk, clock: Clock) -> None:
    await keep(desk, fresh("r-1", date(2026, 3, 2)))
    clock.advance(days=15)
    database, effects = desk.repository.database, desk.effects
    mine, other = (Lease(database, "clock", effects) for _ in range(2))
    assert await other.hold()
    turn: Callable[[], Any] = ticking(desk.repository, TERMS, mine, 0.001)
    await turn()
    assert await heard(desk) == []
    await other.release()
    await turn()
    assert len(await heard(desk)) == 1


async def test_the_manager_finds_what_is_late(desk: Desk, sender: Sender, sign_in: SignIn, clock: Clock) -> None:
    late, soon = await sender.sent("A-1"), await sender.sent("A-2", route="multisectoral-service")
    clock.advance(days=16)  # 18.3.: the first was due on the 16th, the second is on the 23rd
    await round_(desk.repository, TERMS)
    manager, coordinator = await sign_in(MANAGER), await sign_in(COORDINATOR)
    inbox = (await manager.get(PAGES)).text
    assert "Late (1)" in inbox
    assert "With the manager" in inbox
    assert "Due soon" in inbox
    narrowed = (await manager.get(f"{PAGES}?state={LATE}")).text
    assert f'id="r-{late["id"]}"' in narrowed
    assert soon["id"] not in narrowed
    assert "Late (" not in (await coordinator.get(PAGES)).text
    finnish = (await (await sign_in(MANAGER, "fi")).get(f"{PAGES}/{late['id']}")).text
    for word in ("Myöhässä", "Projektipäällikön tiedossa", "Raukeaa, ellei vastata viimeistään", "Määräpäivä ohi"):
        assert word in finnish
    swedish = (await (await sign_in(MANAGER, "sv")).get(PAGES)).text
    assert "Hos projektchefen" in swedish
    assert "Ska besvaras snart" in swedish
    # Its own sender sees that it is late, and nothing of who was told at the project.
    own = (await (await sign_in(REFERRER)).get(f"{PAGES}/{late['id']}")).text
    assert "Late" in own
    assert "With the manager" not in own
    answer = await manager.http.get(f"{API}/referrals?state={LATE}")
    assert [row["id"] for row in answer.json()["items"]] == [late["id"]]


async def test_a_question_that_the_sender_leaves_open(desk: Desk, sign_in: SignIn, clock: Clock) -> None:
    one = asked(fresh("r-1", date(2026, 3, 2)), date(2026, 3, 2))
    await keep(desk, one)
    clock.advance(days=10)
    await round_(desk.repository, TERMS)
    text = (await (await sign_in(MANAGER)).get(PAGES)).text
    assert "The sender is late" in text
    assert ">Late<" not in text
    (event,) = await heard(desk)
    assert (event["data"]["waits_for"], event["data"]["answer_due"]) == ("sender", "2026-03-09")
