"""What time does to referrals that nobody answers: day by day, once, and never against somebody who answers."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from polku_events import EventData
from polku_events.referral import ReferralExpired, ReferralReminded
from polku_referral.clocks import day_has_come, round_, ticking
from polku_referral.desk import Desk
from polku_referral.model import answers, sending
from polku_referral.model.clocks import strike
from polku_referral.model.referral import WAITING, Decided, Referral, receive
from polku_referral.model.terms import working_days_after
from polku_referral.repository import LATE
from polku_referral.terms import read_terms
from polku_runtime.lease import Lease
from polku_runtime.testing import Clock
from polku_web.formats import local_day

from .conftest import Sender, SignIn
from .material import API, COORDINATOR, MANAGER, PAGES, REFERRER

TERMS = read_terms()
AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def fresh(referral_id: str, on: date, route: str = "self", urgency: str = "normal", at: datetime = AT) -> Referral:
    due = TERMS.answer_due(route, urgency, on)
    return receive(
        referral_id=referral_id, external_id=f"X-{referral_id}", organisation_id="o", person_id="p", case_code="K-7F3K2",
        programme="kainuu", route=route, service="training", urgency=urgency, referred_on=on, answer_due=due,
        expires_on=TERMS.expires_on(route, due), at=at, by="c",
    )[0]  # fmt: skip


def days(referral: Referral, first: date, count: int) -> dict[str, str]:
    """Lets so many days pass; event → the day on which it was said."""
    said = {}
    for number in range(count):
        today = first + timedelta(days=number)
        while decided := strike(referral, TERMS, today=today, at=AT):
            referral, (event,) = decided
            said[f"{event.level} {event.waits_for}" if isinstance(event, ReferralReminded) else "expired"] = str(today)
    return said


def asked(referral: Referral, on: date) -> Referral:
    spell = TERMS.for_question(referral.route, on)
    return answers.ask(referral, on=on, sender_due=spell.due, expires_on=spell.expires_on, at=AT, by="s")[0]


def answered(referral: Referral, on: date) -> Referral:
    spell = TERMS.after_answer(referral.route, referral.answer_due, referral.stands_since, on)
    return sending.answer(referral, answer_due=spell.due, expires_on=spell.expires_on, on=on, at=AT, by="c")[0]


# -- the rules ----------------------------------------------------------------------------------------------


def test_the_life_of_a_referral_that_nobody_answers() -> None:
    monday = date(2026, 3, 2)
    assert days(fresh("a", monday), monday, 90) == {
        "due-soon project": "2026-03-12",
        "overdue project": "2026-03-17",
        "expired": "2026-04-16",
    }
    assert days(fresh("a", monday, urgency="urgent"), monday, 90) == {
        "due-soon project": "2026-03-03",
        "overdue project": "2026-03-06",
        "expired": "2026-04-03",
    }


def test_after_a_pause_only_what_matters_now_is_said() -> None:
    monday = date(2026, 3, 2)
    assert days(fresh("a", monday), monday + timedelta(days=20), 5) == {"overdue project": "2026-03-22"}
    assert days(fresh("a", monday), monday + timedelta(days=200), 5) == {"expired": "2026-09-18"}


def test_while_the_sender_is_asked_the_projects_time_stands() -> None:
    monday = date(2026, 3, 2)
    question = asked(fresh("a", monday), monday + timedelta(days=9))
    assert days(question, monday + timedelta(days=9), 90) == {
        "due-soon sender": "2026-03-16",
        "overdue sender": "2026-03-19",
        "expired": "2026-04-18",
    }
    # Three working days were left on Wednesday 11.3.; they are there again after the answer, however late it is.
    again = answered(question, date(2026, 4, 1))
    assert (again.answer_due, again.expires_on) == (date(2026, 4, 8), date(2026, 5, 7))
    assert (again.sender_due, again.stands_since, again.reminded) == (None, None, 0)


def test_a_second_question_does_not_cost_the_project_its_days() -> None:
    monday = date(2026, 3, 2)
    twice = asked(asked(fresh("a", monday), monday), date(2026, 3, 6))
    assert (twice.stands_since, twice.sender_due) == (monday, date(2026, 3, 13))
    assert answered(twice, date(2026, 3, 12)).answer_due == working_days_after(date(2026, 3, 12), 10)


def test_who_waits_in_the_queue_does_not_expire_before_the_review() -> None:
    review = date(2026, 9, 1)
    waiting, _ = answers.waitlist(
        fresh("a", date(2026, 3, 2)), review_on=review, expires_on=TERMS.expires_on("self", review), at=AT, by="s"
    )
    said = days(waiting, date(2026, 3, 2), 300)
    assert said == {"due-soon project": "2026-08-28", "overdue project": "2026-09-02", "expired": "2026-09-30"}


@dataclass
class Said:
    """What one referral heard, and the days on which it had to."""

    expected: dict[str, date]
    heard: dict[str, date] = field(default_factory=dict)


def test_a_year_with_a_clock_that_stops_for_nights_and_weekends() -> None:
    """Referrals arrive at any hour; the worker looks at most hours, and not at all for some days."""
    chance, now = random.Random(5), datetime(2026, 1, 1, tzinfo=UTC)
    waiting: dict[str, Referral] = {}
    said: dict[str, Said] = {}
    for hour in range(366 * 24):
        now += timedelta(hours=1)
        today = local_day(now)
        if chance.random() < 0.05 and hour < 300 * 24:
            route = chance.choice(["self", "multisectoral-service", "employment-service"])
            one = fresh(str(hour), today, route, chance.choice(["normal", "urgent"]), now)
            assert one.expires_on is not None
            waiting[one.id] = one
            said[one.id] = Said(
                {
                    "due-soon": max(today, working_days_after(one.answer_due, -TERMS.of(route).remind)),
                    "overdue": one.answer_due + timedelta(days=1),
                    "expired": one.expires_on + timedelta(days=1),
                }
            )
        for one in list(waiting.values()):
            decided = strike(one, TERMS, today=today, at=now)
            if decided is None:
                continue
            after, (event,) = decided
            waiting[one.id] = after
            what = event.level if isinstance(event, ReferralReminded) else "expired"
            assert what not in said[one.id].heard
            said[one.id].heard[what] = today
            if after.state == "expired":
                del waiting[one.id]
    assert len(said) > 300
    done = {name: told for name, told in said.items() if name not in waiting}
    assert len(done) > 250
    assert all(told.heard == told.expected for told in done.values())


# -- on the database ----------------------------------------------------------------------------------------


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


# -- what people see ----------------------------------------------------------------------------------------


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


def test_what_was_answered_hears_nothing_more() -> None:
    done: EventData
    one = fresh("a", date(2026, 3, 2))
    declined, (done,) = answers.decline(one, reason="other", on=date(2026, 3, 3), at=AT, by="s")
    assert declined.state not in WAITING
    assert not isinstance(done, ReferralExpired)
    assert days(declined, date(2026, 3, 2), 400) == {}
