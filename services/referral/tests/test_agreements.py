"""Organisations, what was agreed with them, and their machines: the rules, and what the doors make of agreements."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from polku_events.refusals import Refused, Wrong
from polku_referral.admin.agreements import Agreements
from polku_referral.desk import Desk
from polku_referral.feed.consumer import feed_senders
from polku_referral.feed.store import FeedStore
from polku_referral.model import clients, organisations
from polku_referral.model.agreements import Agreement, check_agreed, what_returns
from polku_referral.model.directory import Client, Organisation
from polku_referral.model.telling import RETURNS
from polku_runtime.testing import Clock

from .conftest import Sender
from .feeding import carry, outbox, story
from .material import COUNTY, TODAY, TOWN, body

WORK = Agreement(
    id="a-1", programmes=("kainuu",), routes=("employment-service",), services=("work-activity",), starts_on=TODAY
)
OVER = WORK.model_copy(update={"id": "a-2", "ends_on": TODAY, "services": ("training",)})
SENT = {"programme": "kainuu", "route": "employment-service", "service": "work-activity"}


def wrong(agreements: list[Agreement], today: date = TODAY, **changes: Any) -> dict[str, str]:
    try:
        check_agreed(agreements, **{**SENT, "today": today, **changes})
    except Refused as refused:
        return dict(refused.wrong) if refused.code == "not-agreed" else {"": refused.code}
    return {}


def test_who_has_no_agreement_is_not_restricted() -> None:
    assert wrong([], service="anything") == {}


def test_a_referral_fits_one_agreement_whole() -> None:
    assert wrong([WORK]) == {}
    assert wrong([WORK], service="training") == {"service": "not-agreed"}
    assert wrong([WORK, OVER], service="training") == {}
    assert wrong([WORK, OVER], programme="lapland", service="x") == {"programme": "not-agreed", "service": "not-agreed"}
    assert wrong([WORK], programme="x", route="x", service="x") == dict.fromkeys(SENT, "not-agreed")
    # Half of one and half of the other is neither.
    other = WORK.model_copy(update={"routes": ("self",), "services": ("training",)})
    assert wrong([WORK, other], route="self") in ({"route": "not-agreed"}, {"service": "not-agreed"})


def test_an_empty_list_leaves_it_open() -> None:
    assert wrong([WORK.model_copy(update={"services": ()})], service="anything") == {}


@pytest.mark.parametrize(
    ("offset", "is_in_force"), [(-1, False), (0, True), (1, False)], ids=["before", "on its only day", "after"]
)
def test_days_are_included(offset: int, is_in_force: bool) -> None:
    found = wrong([OVER], today=TODAY + timedelta(days=offset), service="training")
    assert found == ({} if is_in_force else dict.fromkeys(SENT, "no-agreement-in-force"))


def test_a_code_that_is_still_to_be_mapped_fits_for_now() -> None:
    assert wrong([WORK], service="unknown", unknown=["service"]) == {}
    assert wrong([WORK], service="unknown", route="self", unknown=["service"]) == {"route": "not-agreed"}


def test_what_goes_back() -> None:
    nothing = WORK.model_copy(update={"returns": ()})
    assert what_returns([], TODAY) == frozenset(RETURNS)
    assert what_returns([nothing], TODAY) == frozenset()
    assert what_returns([nothing, OVER.model_copy(update={"returns": ("outcome",)})], TODAY) == {"outcome"}
    later = TODAY + timedelta(days=1)
    over = OVER.model_copy(update={"returns": ("outcome",)})
    assert what_returns([over], later) == {"outcome"}  # the last one goes on telling
    assert what_returns([nothing, over], later) == frozenset()


TOWNS = Organisation(id="o-1", code="kajaani", name="Kajaani", kind="employment-area", version=3)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"business_id": "2077474-1"}, [Wrong("business_id", "business-id")]),
        ({"business_id": "x"}, [Wrong("business_id", "business-id")]),
        ({"name": " "}, [Wrong("name", "needed")]),
        ({"kind": "bank"}, [Wrong("kind", "unknown-code")]),
        ({"fhir_profile": "hl7v2"}, [Wrong("fhir_profile", "unknown-code")]),
        ({"valid_from": TODAY, "valid_until": TODAY - timedelta(days=1)}, [Wrong("valid_until", "before-start")]),
        ({"aliases": [f"n-{n}" for n in range(21)]}, [Wrong("aliases", "too-many")]),
    ],
)
def test_what_an_organisation_must_keep(said: dict[str, Any], expected: list[Wrong]) -> None:
    with pytest.raises(Refused) as refused:
        organisations.described(TOWNS, said)
    assert list(refused.value.wrong) == expected


@pytest.mark.parametrize("text", ["2077474-0", "20774740", " 2077474-0"])
def test_a_business_id_has_one_form(text: str) -> None:
    after, (event,) = organisations.described(
        TOWNS, {"business_id": text, "aliases": [" Kajanaland ", "", "Kajanaland"]}
    )
    assert (after.business_id, after.aliases, after.version) == ("2077474-0", ("Kajanaland",), 4)
    assert "2077474" not in event.model_dump_json()  # other services need not know


def test_an_organisation_is_open_on_its_days() -> None:
    bounded = TOWNS.model_copy(update={"valid_from": TODAY, "valid_until": TODAY})
    day = timedelta(days=1)
    assert [bounded.is_open(TODAY + n * day) for n in (-1, 0, 1)] == [False, True, False]
    assert TOWNS.is_open(TODAY)
    assert not TOWNS.model_copy(update={"active": False}).is_open(TODAY)


def test_agreements_are_added_and_ended() -> None:
    after, _ = organisations.agreed(TOWNS, WORK)
    ended, _ = organisations.agreement_ended(after, WORK.id, TODAY)
    assert [one.ends_on for one in ended.agreements] == [TODAY]
    with pytest.raises(Refused, match="unknown-agreement"):
        organisations.agreement_ended(after, "a-9", TODAY)
    with pytest.raises(Refused) as refused:
        organisations.agreement_ended(after, WORK.id, TODAY - timedelta(days=1))
    assert refused.value.wrong == (Wrong("ends_on", "before-start"),)
    with pytest.raises(Refused) as refused:
        organisations.agreed(TOWNS, WORK.model_copy(update={"returns": ("names",)}))
    assert refused.value.wrong == (Wrong("returns", "unknown-code"),)


NOW = datetime(2026, 3, 2, 9, 0, 0, 500_000, UTC)
MACHINE = Client(id="c-1", organisation_id="o-1", scopes=("referrals:read",), keys=({"kid": "k-1"},), version=1)


def test_keys_of_a_client() -> None:
    both, (event,) = clients.add_key(MACHINE, {"kid": "k-2"})
    assert [key["kid"] for key in both.keys] == ["k-1", "k-2"]
    assert "k-2" not in event.model_dump_json()
    with pytest.raises(Refused, match="key-known"):
        clients.add_key(both, {"kid": "k-1"})
    left, _ = clients.remove_key(both, "k-1")
    assert left.tokens_valid_from == MACHINE.tokens_valid_from  # nothing has leaked: what was issued goes on
    leaked, _ = clients.remove_key(both, "k-1", void_tokens_at=NOW)
    assert leaked.tokens_valid_from == datetime(2026, 3, 2, 9, 0, 1, tzinfo=UTC)
    for kid, code in (("k-9", "unknown-key"), ("k-2", "last-key")):
        with pytest.raises(Refused, match=code):
            clients.remove_key(left, kid)
    full = MACHINE.model_copy(update={"keys": tuple({"kid": f"k-{n}"} for n in range(clients.MAX_KEYS))})
    with pytest.raises(Refused, match="many-keys"):
        clients.add_key(full, {"kid": "one more"})


def test_a_client_is_revoked_and_restored() -> None:
    gone, (event,) = clients.revoke(MACHINE, NOW)
    assert (gone.active, event.active) == (False, False)  # type: ignore[attr-defined]
    assert gone.tokens_valid_from > NOW
    back, (event,) = clients.restore(gone)
    assert (back.active, event.active) == (True, True)  # type: ignore[attr-defined]
    assert back.tokens_valid_from == gone.tokens_valid_from  # what was void stays void
    for again, client in ((clients.restore, back), (lambda one: clients.revoke(one, NOW), gone)):
        with pytest.raises(Refused):
            again(client)


def test_a_client_follows_its_organisation() -> None:
    changed = clients.suspend(MACHINE, suspended=True, at=NOW)
    assert changed is not None
    out, (event,) = changed
    assert (out.active, out.suspended, event.active) == (True, True, False)  # type: ignore[attr-defined]
    assert clients.suspend(out, suspended=True, at=NOW) is None
    # Who was revoked meanwhile stays out when the organisation comes back.
    revoked, _ = clients.revoke(out, NOW)
    changed = clients.suspend(revoked, suspended=False, at=NOW)
    assert changed is not None
    assert changed[1][0].active is False  # type: ignore[attr-defined]


# -- at the door --------------------------------------------------------------------------------------------


async def agree(app: FastAPI, **said: Any) -> str:
    made = await app.state.admin.add_agreement(None, TOWN, None, {"starts_on": TODAY, **said})
    return made.agreements[-1].id


async def test_only_what_was_agreed_is_taken_in(app: FastAPI, sender: Sender, enrol: Any, clock: Clock) -> None:
    first = await sender.sent("A-1")
    agreement = await agree(app, services=("training",))
    refused = await sender.post(body("A-2"))
    assert (refused.status_code, refused.json()["code"]) == (422, "not-agreed")
    assert [(one["pointer"], one["code"]) for one in refused.json()["errors"]] == [("/service", "not-agreed")]
    assert (await sender.post(body("A-2"), "?dry_run=true")).json()["code"] == "not-agreed"
    await sender.sent("A-2", service="training")
    await (await enrol(COUNTY)).sent("B-1")  # with them nothing was agreed
    # A repeat gets the same answer, whatever was agreed since.
    again = await sender.post(body("A-1"))
    assert (again.status_code, again.json()["id"]) == (200, first["id"])

    await app.state.admin.end_agreement(None, TOWN, None, agreement, TODAY)
    clock.advance(days=1)
    assert (await sender.sign_on()).status_code == 200
    over = await sender.post(body("A-3", service="training"))
    assert {one["code"] for one in over.json()["errors"]} == {"no-agreement-in-force"}
    await agree(app)
    await sender.sent("A-3")


async def test_an_agreement_ends_in_the_middle_of_a_batch(
    app: FastAPI, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row by the day on which its turn comes; sent again the batch doubles nothing and loses nothing."""
    await agree(app, ends_on=TODAY)
    days = iter([TODAY, TODAY])
    monkeypatch.setattr(Agreements, "today", property(lambda _: next(days, TODAY + timedelta(days=1))))
    rows = [body(f"A-{number}") for number in range(4)]
    first, again = [(await sender.post(rows, "/batch")).json()["results"] for _ in range(2)]
    assert sorted(row["http_status"] for row in first) == [201, 201, 422, 422]
    for before, after in zip(first, again, strict=True):
        assert after["http_status"] == {201: 200, 422: 422}[before["http_status"]]
    assert await app.state.desk.repository.referrals.collection.count_documents({}) == 2


async def test_who_only_tries_is_not_restricted(app: FastAPI, sender: Sender) -> None:
    await agree(app, services=("training",))
    await app.state.directory.clients.collection.update_one({"_id": sender.client_id}, {"$set": {"test": True}})
    assert (await sender.sign_on()).status_code == 200
    await sender.sent("T-1")


async def test_another_process_hears_of_an_agreement(app: FastAPI, sender: Sender, clock: Clock) -> None:
    await sender.sent("A-1")  # this process has asked for the agreements
    admin = app.state.admin
    changed = organisations.agreed(await admin.organisation(TOWN), WORK.model_copy(update={"services": ("training",)}))
    await app.state.directory.organisations.save(await admin.organisation(TOWN), *changed)
    clock.advance(seconds=5)
    assert (await sender.post(body("A-2"))).json()["code"] == "not-agreed"


async def test_the_sender_hears_what_was_agreed(app: FastAPI, desk: Desk, sender: Sender) -> None:
    await agree(app, returns=("start-day",))
    referral = await sender.sent("A-1")
    await story(desk, referral["id"], "decline")
    feed = FeedStore(desk.repository.database, desk.effects)
    await carry(feed_senders(feed, returns_to=app.state.admin.agreements.returns), await outbox(desk))
    items = (await sender.get("/events")).json()["items"]
    assert [item["type"] for item in items] == ["referral.received", "referral.declined"]
    assert "reason" not in items[1]["data"]
