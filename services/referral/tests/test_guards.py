"""What must be loud or impossible: a pasted blob, another master key, two roles that widen each other."""

import asyncio
import secrets
from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from polku_events.pathway import ParticipationStarted
from polku_referral import consumer
from polku_referral.app import create_worker
from polku_referral.desk import Desk
from polku_referral.model.directory import Staff, announce_staff
from polku_referral.repository import Kept
from polku_runtime.effects import Effects
from polku_runtime.outcomes import Dead, Received
from polku_runtime.settings import SettingsError

from .conftest import Sender, SignIn, event, said
from .material import API, COORDINATOR, COUNTY, ONNI, PAGES, body, leaks

MIXED = "0197aaaa-0000-7000-8000-000000000009"


async def kept_of(desk: Desk, told: dict[str, Any]) -> Kept:
    found = await desk.repository.get(told["id"], {})
    assert found is not None
    return found


@pytest.fixture
async def pasted(desk: Desk, sender: Sender) -> tuple[Kept, Kept]:
    """Two referrals; somebody with the database put Aino's identity in the place of Onni's."""
    aino, onni = [
        await kept_of(desk, told)
        for told in (await sender.sent("A-1"), await sender.sent("B-1", person__identity_code=ONNI))
    ]
    persons = desk.repository.database["persons"]
    theirs = await persons.find_one({"_id": aino.referral.person_id})
    assert theirs is not None
    await persons.update_one(
        {"_id": onni.referral.person_id}, {"$set": {"sealed.identity": theirs["sealed"]["identity"]}}
    )
    return aino, onni


@pytest.fixture
def outsider(app: FastAPI) -> Callable[..., httpx.AsyncClient]:
    """A client that gets the 500 instead of the exception behind it."""

    def made(like: httpx.AsyncClient) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        return httpx.AsyncClient(
            transport=transport, base_url=like.base_url, cookies=like.cookies, headers={"accept-language": "en"}
        )

    return made


async def test_a_pasted_blob_is_no_erased_person(
    pasted: tuple[Kept, Kept], sign_in: SignIn, outsider: Callable[..., httpx.AsyncClient]
) -> None:
    """Nothing of the other person is shown, and nobody is told that this one was erased."""
    aino, onni = (kept.referral for kept in pasted)
    me = await sign_in(COORDINATOR)
    async with outsider(me.http) as http:
        for address in (f"{PAGES}/{onni.id}", f"{API}/referrals/{onni.id}/person"):
            answer = await http.get(address)
            assert answer.status_code == 500
            assert leaks(answer.text) == []
            assert "erased" not in answer.text
        # A list of names goes on without this one.
        names = (await http.get(f"{API}/names?person={aino.person_id}&person={onni.person_id}")).json()
        assert list(names["names"]) == [aino.person_id]


async def test_a_pasted_blob_states_nobody_s_age(pasted: tuple[Kept, Kept], desk: Desk) -> None:
    begun = ParticipationStarted(
        pathway_id="p", person_id=pasted[1].referral.person_id, programme="kainuu", started_on=date(2026, 3, 2)
    )
    apply = consumer.consume(consumer.Parts(desk.repository, desk.vault, desk.audit))
    (result,) = await apply([Received("pathway.events", 0, 0, event(begun))])
    assert isinstance(result, Dead)
    assert result.reason == "does-not-open"
    assert await said(desk, "persons") == []


async def test_a_receipt_that_does_not_open_spoils_no_round(desk: Desk, sender: Sender, app: FastAPI) -> None:
    first, other = [await kept_of(desk, await sender.sent(name)) for name in ("A-1", "A-2")]
    await desk.repository.database["referrals"].update_one(
        {"_id": first.referral.id}, {"$set": {"sealed.receipt": other.sealed["receipt"]}}
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=sender.http.base_url) as http:
        sent = [
            http.post(f"{API}/referrals", json=body(name), headers=sender.headers) for name in ("A-1", "A-2", "A-3")
        ]
        answers = await asyncio.gather(*sent)
    assert [answer.status_code for answer in answers] == [500, 200, 201]
    assert leaks(answers[0].text) == []


async def test_a_worker_with_another_master_key_does_not_begin(
    app: FastAPI, sender: Sender, effects: Effects, tmp_path: Any
) -> None:
    await sender.sent()  # the database has begun
    other = tmp_path / "other.key"
    other.write_bytes(secrets.token_bytes(96))
    worker = create_worker(app.state.settings.model_copy(update={"master_key_file": other}), effects=effects)
    try:
        with pytest.raises(SettingsError, match="POLKU_MASTER_KEY_FILE is not the key"):
            await worker.prepare()
    finally:
        await worker.client.close()


async def test_two_roles_do_not_widen_each_other(app: FastAPI, enrol: Callable[..., Any], sign_in: SignIn) -> None:
    """A county's referrer who coordinates another programme reads no person of this one, and answers nothing."""
    theirs = await (await enrol(COUNTY)).sent()
    member = Staff(
        id=MIXED,
        login="mixed@example.fi",
        name="Mikko Moniosa",
        roles=("referrer", "coordinator"),
        organisation_id=COUNTY,
        programmes=("lapland",),
        sessions_valid_from=app.state.effects.now(),
    )
    await app.state.directory.staff.add(*announce_staff(member))
    me = await sign_in(MIXED)
    at = f"/referrals/{theirs['id']}"
    assert (await me.get(f"{API}{at}/person")).status_code == 404
    assert (await me.get(f"{PAGES}/{theirs['id']}")).status_code == 404
    assert (await me.command(f"{at}/accept", {"coordinator_id": COORDINATOR}, 1)).status_code == 404
    assert (await me.command(f"{at}/decline", {"reason": "no-capacity"}, 1)).status_code == 404
    assert (await me.get(f"{API}/referrals")).json()["items"] == []
    assert await app.state.database["audit"].count_documents({"person_id": {"$ne": None}}) == 0
