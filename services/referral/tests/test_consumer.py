"""What the service does on others' events: once, in any order, and never without the audit trail."""

import asyncio
import random
from datetime import date
from typing import Any

import pytest
from fastapi import FastAPI
from pymongo.errors import ServerSelectionTimeoutError

from polku_events import Event, EventData
from polku_events.pathway import Entry, ParticipationCorrected, ParticipationStarted, PathwayClosed
from polku_referral import consumer
from polku_referral.desk import Desk
from polku_referral.repository import Kept
from polku_referral.vault import Vault
from polku_runtime.outcomes import Apply, Dead, Outcome, Received
from polku_runtime.trouble import is_infrastructure

from .conftest import Sender, SignIn, event, said
from .material import API, COORDINATOR, PAGES, body

AGE_STATED = "polku.person.age-stated.v1"
BEFORE, BIRTHDAY = date(2026, 5, 31), date(2026, 6, 1)
"""Of the person in `kept`."""


def started(person_id: str, on: date, pathway_id: str = "pathway-1") -> ParticipationStarted:
    return ParticipationStarted(pathway_id=pathway_id, person_id=person_id, programme="kainuu", started_on=on)


def corrected(person_id: str, on: date, pathway_id: str = "pathway-1") -> ParticipationCorrected:
    return ParticipationCorrected(
        pathway_id=pathway_id,
        person_id=person_id,
        programme="kainuu",
        entry=Entry(started_on=on),
        exit=None,
        reason="wrong-day",
    )


def closed(kept: Kept, outcome: str = "work", referral_id: str | None = None) -> PathwayClosed:
    return PathwayClosed(
        pathway_id="pathway-1",
        person_id=kept.referral.person_id,
        programme="kainuu",
        referral_id=referral_id or kept.referral.id,
        closed_on=date(2026, 9, 1),
        outcome=outcome,
    )


@pytest.fixture
def apply(desk: Desk) -> Apply:
    return consumer.consume(consumer.Parts(desk.repository, desk.vault, desk.audit))


async def batch(apply: Apply, *events: Event) -> list[str]:
    """What became of each event, as one batch."""
    results = await apply([Received("pathway.events", 0, place, one) for place, one in enumerate(events)])
    return [result.reason if isinstance(result, Dead) else result.value for result in results]


async def alone(apply: Apply, data: EventData, version: int = 1) -> str:
    return (await batch(apply, event(data, version)))[0]


@pytest.fixture
async def kept(sender: Sender, desk: Desk) -> Kept:
    """A referral of a person who was born on 1 June 2000."""
    told = await sender.sent(person__identity_code=..., person__date_of_birth="2000-06-01")
    found = await desk.repository.get(told["id"], {})
    assert found is not None
    return found


async def ages(desk: Desk) -> list[dict[str, Any]]:
    rows = desk.repository.database["persons"].find({})
    return [entry["data"] async for row in rows for entry in row["outbox"] if entry["type"] == AGE_STATED]


async def test_the_age_on_the_start_day(apply: Apply, desk: Desk, kept: Kept) -> None:
    person = kept.referral.person_id
    assert await alone(apply, started(person, BEFORE)) == "applied"
    assert await ages(desk) == [{"person_id": person, "pathway_id": "pathway-1", "on": "2026-05-31", "age": 25}]
    rows = [row async for row in desk.repository.database["audit"].find({})]
    assert [(row["by"], row["kind"], row["action"], row["classes"]) for row in rows] == [
        (None, "polku", "state-age", ["identity"])
    ]
    assert rows[0]["person_id"] == person


async def test_repeats_say_and_open_nothing(apply: Apply, desk: Desk, kept: Kept) -> None:
    same = event(started(kept.referral.person_id, BIRTHDAY))
    assert await batch(apply, same, same) == ["applied", "duplicate"]
    assert await batch(apply, same) == ["duplicate"]
    assert [said["age"] for said in await ages(desk)] == [26]
    assert await desk.repository.database["audit"].count_documents({}) == 1


async def test_in_any_order_the_newest_has_the_last_word(apply: Apply, desk: Desk, sender: Sender) -> None:
    chance = random.Random(7)
    for number in range(12):
        told = await sender.sent(f"A-{number}", person__identity_code=..., person__date_of_birth="2000-06-01")
        found = await desk.repository.get(told["id"], {})
        assert found is not None
        person = found.referral.person_id
        history = [
            event(started(person, BIRTHDAY), 3),
            event(corrected(person, BEFORE), 5),
            event(corrected(person, date(2027, 6, 1)), 6),
        ]
        delivered = [*history, *chance.sample(history, 2)]
        chance.shuffle(delivered)
        outcomes = await batch(apply, *delivered[:3]) + await batch(apply, *delivered[3:])
        assert set(outcomes) <= {"applied", "duplicate"}
        stated = [said for said in await ages(desk) if said["person_id"] == person]
        assert (stated[-1]["on"], stated[-1]["age"]) == ("2027-06-01", 27)
        assert len(stated) == outcomes.count("applied") <= len(history)


async def test_two_pathways_of_one_person_at_the_same_moment(apply: Apply, desk: Desk, kept: Kept) -> None:
    person = kept.referral.person_id
    both = [started(person, BEFORE, f"pathway-{number}") for number in range(8)]
    assert set(await asyncio.gather(*(alone(apply, data) for data in both))) == {"applied"}
    assert sorted(said["pathway_id"] for said in await ages(desk)) == [f"pathway-{number}" for number in range(8)]


async def test_two_workers_with_the_same_event(apply: Apply, desk: Desk, kept: Kept) -> None:
    """As during a rebalance: both hold it for a moment, one says it."""
    data = started(kept.referral.person_id, BEFORE)
    outcomes = await asyncio.gather(*(alone(apply, data) for _ in range(6)))
    assert sorted(outcomes) == ["applied", *["duplicate"] * 5]
    assert len(await ages(desk)) == 1


async def test_no_audit_no_age(apply: Apply, desk: Desk, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    async def gone(*_: object) -> None:
        raise ServerSelectionTimeoutError("no server")

    async def remember(*_: object) -> dict[str, Any]:
        opened.append(1)
        return {}

    data = started(kept.referral.person_id, BEFORE)
    with monkeypatch.context() as patch:
        patch.setattr(desk.audit, "write", gone)
        patch.setattr(desk.vault, "open", remember)
        with pytest.raises(ExceptionGroup) as caught:
            await alone(apply, data)
    assert is_infrastructure(caught.value)  # the runner waits and repeats the batch
    assert (opened, await ages(desk)) == ([], [])
    assert await alone(apply, data) == "applied"


async def test_events_that_can_never_be_applied(apply: Apply, kept: Kept, desk: Desk) -> None:
    person = kept.referral.person_id
    assert await alone(apply, started("0197aaaa-0000-7000-8000-00000000dead", BEFORE)) == "unknown-person"
    assert await alone(apply, started(person, date(1999, 1, 1))) == "age-out-of-range"
    assert await alone(apply, started(person, date(2121, 6, 1))) == "age-out-of-range"
    assert await alone(apply, closed(kept, referral_id="0197aaaa-0000-7000-8000-00000000dead")) == "unknown-referral"
    assert await ages(desk) == []


async def test_nothing_is_said_of_who_was_erased(app: FastAPI, desk: Desk, kept: Kept) -> None:
    known = await desk.repository.person(kept.referral.person_id)
    assert known is not None
    await desk.vault.destroy(known.key)
    # Another process, which has no key in its memory.
    vault = Vault(app.state.client, app.state.database.name, desk.master)
    apply = consumer.consume(consumer.Parts(desk.repository, vault, desk.audit))
    assert await alone(apply, started(kept.referral.person_id, BEFORE)) == "skipped"
    assert await ages(desk) == []
    await vault.close()


async def test_the_sender_hears_how_it_ended(apply: Apply, desk: Desk, sender: Sender, sign_in: SignIn) -> None:
    told = await sender.sent()
    me = await sign_in(COORDINATOR)
    assert (await me.command(f"/referrals/{told['id']}/accept", {}, 1)).status_code == 200
    kept = await desk.repository.get(told["id"], {})
    assert kept is not None
    end = event(closed(kept, "education"))
    assert await batch(apply, end, end) == ["applied", "duplicate"]
    assert await batch(apply, event(closed(kept, "work"), 9)) == ["duplicate"]  # reopened and closed once more

    shown = (await sender.get(f"/referrals/{told['id']}")).json()
    assert (shown["state"], shown["outcome"], shown["concluded_on"]) == ("concluded", "education", "2026-09-01")
    assert [step["kind"] for step in shown["history"]] == ["received", "accepted", "concluded"]
    assert await said(desk) == [f"polku.referral.{what}.v1" for what in ("received", "accepted", "concluded")]
    # A repeat of the first post still gets its own answer, with the present state.
    repeated = await sender.post(body())
    assert (repeated.status_code, repeated.json()["state"]) == (200, "concluded")


async def test_work_that_was_done_before_it_was_given_back(
    apply: Apply, desk: Desk, sender: Sender, sign_in: SignIn
) -> None:
    """The sender wants it back, the pathway ends first: the sender hears the outcome, not a withdrawal."""
    told, me = await sender.sent(), await sign_in(COORDINATOR)
    at = told["id"]
    assert (await me.command(f"/referrals/{at}/accept", {}, 1)).status_code == 200
    assert (await sender.command(at, "request-withdrawal", {"reason": "person-declined"}, 2)).status_code == 200
    kept = await desk.repository.get(at, {})
    assert kept is not None
    assert await batch(apply, event(closed(kept, "education"))) == ["applied"]
    late = await me.command(f"/referrals/{at}/confirm-withdrawal", {}, 3)
    assert (late.status_code, late.json()["present"]["state"]) == (409, "concluded")
    heard = (await sender.get(f"/referrals/{at}")).json()
    assert (heard["state"], heard["outcome"], heard["commands"]) == ("concluded", "education", [])
    assert "The person does not want the service" in (await me.get(f"{PAGES}/{at}")).text  # why it was wanted back


async def test_given_back_before_the_pathway_ended(apply: Apply, desk: Desk, sender: Sender, sign_in: SignIn) -> None:
    told, me = await sender.sent(), await sign_in(COORDINATOR)
    at = told["id"]
    await me.command(f"/referrals/{at}/accept", {}, 1)
    await sender.command(at, "request-withdrawal", {"reason": "person-declined"}, 2)
    assert (await me.command(f"/referrals/{at}/confirm-withdrawal", {}, 3)).status_code == 200
    kept = await desk.repository.get(at, {})
    assert kept is not None
    assert await batch(apply, event(closed(kept))) == ["duplicate"]
    assert (await sender.get(f"/referrals/{at}")).json()["state"] == "withdrawn"


async def test_two_workers_conclude_once(apply: Apply, desk: Desk, sender: Sender, sign_in: SignIn) -> None:
    told = await sender.sent()
    me = await sign_in(COORDINATOR)
    await me.command(f"/referrals/{told['id']}/accept", {}, 1)
    kept = await desk.repository.get(told["id"], {})
    assert kept is not None
    outcomes = await asyncio.gather(*(alone(apply, closed(kept)) for _ in range(5)))
    assert sorted(outcomes) == ["applied", *["duplicate"] * 4]
    assert (await said(desk)).count("polku.referral.concluded.v1") == 1


async def test_a_referral_that_was_not_accepted_is_not_concluded(apply: Apply, desk: Desk, kept: Kept) -> None:
    assert await alone(apply, closed(kept)) == Outcome.DUPLICATE.value
    assert await said(desk) == ["polku.referral.received.v1"]


async def test_what_was_taken_back_is_not_concluded_by_the_pathway_that_closes_for_it(
    apply: Apply, desk: Desk, sender: Sender, sign_in: SignIn
) -> None:
    told = await sender.sent()
    me, address = await sign_in(COORDINATOR), f"/referrals/{told['id']}"
    assert (await me.command(f"{address}/accept", {}, 1)).status_code == 200
    asked = await sender.http.post(
        f"{API}{address}/request-withdrawal",
        json={"reason": "situation-changed"},
        headers={**sender.headers, "if-match": '"2"'},
    )
    assert asked.status_code == 200, asked.text
    assert (await me.command(f"{address}/confirm-withdrawal", {}, 3)).status_code == 200
    kept = await desk.repository.get(told["id"], {})
    assert kept is not None
    assert await alone(apply, closed(kept, "withdrawn-by-sender")) == "duplicate"
    after = await desk.repository.get(told["id"], {})
    assert after is not None
    assert (after.referral.state, after.referral.outcome) == ("withdrawn", None)
