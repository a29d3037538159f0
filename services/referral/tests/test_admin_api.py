"""Who may come in, over HTTP: every command that the pages offer, under the same rights."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey

from polku_events.refusals import Refused
from polku_referral.admin.admin import NOT_MADE, Admin
from polku_runtime.aggregates import LostRace

from .conftest import Person, Sender, SignIn
from .material import COACH, COORDINATOR, COUNTY, MANAGER, NOBODY, REFERRER, TOWN

PLACE = "/referral/api/v1/organisations"
HERE = f"{PLACE}/{TOWN}"


class Keeper:
    """A manager's API client."""

    def __init__(self, person: Person) -> None:
        self.person = person

    async def get(self, address: str) -> httpx.Response:
        return await self.person.http.get(address)

    async def call(self, method: str, address: str, sent: object = None, version: int | None = None) -> httpx.Response:
        if not self.person.csrf:
            await self.person.get("/referral/organisations")
        headers = {"x-csrf-token": self.person.csrf, **({} if version is None else {"if-match": f'"{version}"'})}
        return await self.person.http.request(method, address, json=sent, headers=headers)


@pytest.fixture
async def keeper(sign_in: SignIn) -> Keeper:
    return Keeper(await sign_in(MANAGER))


async def test_the_rights_are_those_of_the_pages(sign_in: SignIn, sender: Sender) -> None:
    for staff_id in (COORDINATOR, COACH, REFERRER):
        me = Keeper(await sign_in(staff_id))
        await me.person.get("/referral/referrals")
        for method, address in (("GET", PLACE), ("GET", HERE), ("GET", f"{HERE}/clients"), ("POST", PLACE)):
            assert (await me.call(method, address)).status_code == 403, (staff_id, method, address)
    assert (await (await sign_in(None)).get(PLACE)).status_code == 401
    assert (await sender.http.get(PLACE, headers=sender.headers)).status_code == 403  # a machine is nobody here


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\nb", "a\u202eb"])
async def test_a_name_reads_as_it_is_written(keeper: Keeper, name: str) -> None:
    """Also in a terminal, which does what it is told by an escape."""
    good = {"code": "sotkamo", "name": "Sotkamo"}
    for address, sent in (
        (PLACE, {**good, "name": name}),
        (PLACE, {**good, "aliases": [name]}),
        (f"{HERE}/clients", {"scopes": ["referrals:read"], "name": name}),
    ):
        answer = await keeper.call("POST", address, sent)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), sent


async def test_an_organisation_from_its_beginning_to_its_end(keeper: Keeper) -> None:
    said = {"code": "sotkamo", "name": "Sotkamo", "kind": "other", "business_id": "20774740"}
    made = await keeper.call("POST", PLACE, said)
    assert made.status_code == 201
    here, shown = made.headers["location"], made.json()
    assert (shown["business_id"], shown["open"], shown["restricted"], shown["fhir_profile"]) == (
        "2077474-0",
        True,
        False,
        "sdoh",
    )
    assert made.headers["etag"] == '"1"'
    assert (await keeper.get(here)).json() == shown

    assert (await keeper.call("PATCH", here, {"name": "Sotkamon kunta"})).status_code == 428
    changed = await keeper.call("PATCH", here, {"fhir_profile": "bser", "aliases": ["Sotkamo"]}, 1)
    assert (changed.json()["name"], changed.json()["fhir_profile"], changed.json()["aliases"]) == (
        "Sotkamo",
        "bser",
        ["Sotkamo"],
    )
    lost = await keeper.call("PATCH", here, {"name": "Toinen"}, 1)
    assert (lost.status_code, lost.json()["present"]["version"]) == (409, 2)
    assert (await keeper.call("PATCH", here, {"business_id": None}, 2)).json()["business_id"] is None

    agreed = await keeper.call("POST", f"{here}/agreements", {"services": ["training"], "starts_on": "2026-03-01"}, 3)
    assert (agreed.status_code, agreed.json()["restricted"]) == (201, True)
    (agreement,) = agreed.json()["agreements"]
    assert (agreement["in_force"], sorted(agreement["returns"])) == (True, ["outcome", "reason", "start-day"])
    ended = await keeper.call("POST", f"{here}/agreements/{agreement['id']}/end", {"ends_on": "2026-03-01"}, 4)
    assert ended.json()["agreements"][0]["in_force"] is False
    assert (
        await keeper.call("POST", f"{here}/agreements/{NOBODY}/end", {"ends_on": "2026-03-01"}, 5)
    ).status_code == 404

    out = await keeper.call("POST", f"{here}/deactivate", None, 5)
    assert (out.json()["active"], out.json()["open"]) == (False, False)
    assert (await keeper.call("POST", f"{here}/activate", None, 6)).json()["open"] is True


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({"code": "x", "name": ""}, "/name"),
        ({"code": "Ei", "name": "x"}, "/code"),
        ({"code": "kajaani", "name": "x"}, "/code"),
        ({"code": "x", "name": "x", "kind": "bank"}, "/kind"),
        ({"code": "x", "name": "x", "business_id": "1234567-0"}, "/business_id"),
        ({"code": "x", "name": "x", "password": "x"}, "/password"),
        ({"code": "x", "name": "x", "valid_from": "2026-02-01", "valid_until": "2026-01-01"}, "/valid_until"),
    ],
)
async def test_what_is_wrong_is_pointed_at(keeper: Keeper, sent: dict[str, Any], pointer: str) -> None:
    answer = await keeper.call("POST", PLACE, sent)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_the_list_by_pages(keeper: Keeper) -> None:
    found, address = [], f"{PLACE}?limit=1"
    while address:
        answer = await keeper.get(address)
        found += [item["code"] for item in answer.json()["items"]]
        address = answer.links["next"]["url"] if "next" in answer.links else ""
    assert found == ["kainuu-hyvinvointi", "kajaani"]


async def test_a_client_from_its_beginning_to_its_end(keeper: Keeper, sender: Sender) -> None:
    made = await keeper.call("POST", f"{HERE}/clients", {"name": "Asiakastieto", "scopes": ["referrals:read"]})
    assert made.status_code == 201
    private = made.json()["private_key"]
    here, old = made.headers["location"], ECKey.import_key(private)
    shown = (await keeper.get(here)).json()
    assert shown == made.json()["client"]
    assert private["d"] not in json.dumps(shown)
    assert shown["keys"][0]["thumbprint"] == old.thumbprint()

    sender.client_id, sender.key = shown["id"], old
    assert (await sender.sign_on()).status_code == 200
    listed = {one["id"]: one for one in (await keeper.get(f"{HERE}/clients")).json()["items"]}
    assert listed[shown["id"]]["used_at"] is not None

    new = ECKey.generate_key("P-256", auto_kid=True)
    key = {"public_key": json.dumps(new.as_dict(private=False))}
    assert (await keeper.call("POST", f"{here}/keys", key, 1)).status_code == 201
    assert (await keeper.call("POST", f"{here}/keys", key, 2)).json()["refusal"] == "key-known"
    gone = await keeper.call("DELETE", f"{here}/keys/{old.thumbprint()}?leaked=true", None, 2)
    assert [one["thumbprint"] for one in gone.json()["keys"]] == [new.thumbprint()]
    assert gone.json()["tokens_valid_from"] > shown["tokens_valid_from"]
    assert (await keeper.call("DELETE", f"{here}/keys/{old.thumbprint()}", None, 3)).status_code == 404
    assert (await keeper.call("DELETE", f"{here}/keys/{new.thumbprint()}", None, 3)).json()["refusal"] == "last-key"
    assert (await keeper.call("POST", f"{here}/revoke", None, 2)).status_code == 409
    assert (await keeper.call("POST", f"{here}/revoke", None, 3)).json()["active"] is False
    sender.key = new
    assert (await sender.sign_on()).status_code == 401
    assert (await keeper.get(here)).json()["refused"] == 1
    assert (await keeper.call("POST", f"{here}/restore", None, 4)).json()["active"] is True
    assert (await sender.sign_on()).status_code == 200


async def test_a_client_of_another_organisation_is_unknown_here(keeper: Keeper, sender: Sender) -> None:
    here = f"{PLACE}/{COUNTY}/clients/{sender.client_id}"
    assert (await keeper.get(here)).status_code == 404
    for method, way in (("POST", "/revoke"), ("POST", "/restore"), ("DELETE", "/keys/x")):
        assert (await keeper.call(method, here + way, None, 1)).status_code == 404
    assert (await keeper.call("POST", f"{PLACE}/{NOBODY}/clients", {"scopes": ["referrals:read"]})).status_code == 404


async def test_a_token_of_before_is_void_when_a_key_has_leaked(app: FastAPI, keeper: Keeper, sender: Sender) -> None:
    new = ECKey.generate_key("P-256", auto_kid=True)
    here, key = f"{HERE}/clients/{sender.client_id}", {"public_key": new.as_pem(private=False).decode()}
    assert (await keeper.call("POST", f"{here}/keys", key, 1)).status_code == 201
    assert (
        await keeper.call("DELETE", f"{here}/keys/{sender.key.thumbprint()}?leaked=true", None, 2)
    ).status_code == 200
    assert (await sender.get("/referrals")).status_code == 401
    # In the very same second the new key gets a token that is good.
    sender.key = new
    assert (await sender.sign_on()).status_code == 200
    assert (await sender.get("/referrals")).status_code == 200


async def test_a_client_of_before_there_were_versions(app: FastAPI, keeper: Keeper, sender: Sender) -> None:
    """It was a plain document; it comes in, and it can be shut out and said so to others."""
    directory = app.state.directory
    old = {"organisation_id": TOWN, "scopes": ["referrals:read"], "keys": [dict(sender.key.as_dict(private=False))]}
    await directory.clients.collection.insert_one({"_id": NOBODY, **old, "active": True})
    await directory.create_indexes()  # as every worker does when it starts
    sender.client_id = NOBODY
    assert (await sender.sign_on()).status_code == 200
    assert (await sender.get("/referrals")).status_code == 200
    assert (await keeper.call("POST", f"{HERE}/clients/{NOBODY}/revoke", None, 0)).json()["active"] is False
    kept = await directory.clients.collection.find_one({"_id": NOBODY})
    assert [one["type"] for one in kept["outbox"]] == ["polku.client.changed.v1"]
    assert "pending_since" in kept
    assert (await sender.sign_on()).status_code == 401


async def test_a_private_key_is_refused_and_not_repeated(keeper: Keeper, sender: Sender) -> None:
    key = ECKey.generate_key("P-256").as_dict(private=True)
    for address, version in ((f"{HERE}/clients", None), (f"{HERE}/clients/{sender.client_id}/keys", 1)):
        sent = {"public_key": json.dumps(key)} | ({"scopes": ["referrals:read"]} if version is None else {})
        answer = await keeper.call("POST", address, sent, version)
        assert answer.status_code == 422
        assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [
            ("/public_key", "private-key")
        ]
        assert str(key["d"]) not in answer.text


async def test_a_change_that_lost_a_race_says_so_in_the_trail(app: FastAPI, keeper: Keeper, sender: Sender) -> None:
    """The row of a change is written before it: a second one tells that it came to nothing."""
    admin: Admin = app.state.admin
    done = await asyncio.gather(
        *(admin.revoke(None, sender.client_id, None) for _ in range(4)),
        *(admin.change_organisation(None, TOWN, None, {"name": f"N{number}"}) for number in range(4)),
        return_exceptions=True,
    )
    failed = [one for one in done if isinstance(one, BaseException)]
    assert failed
    assert all(isinstance(one, LostRace | Refused) for one in failed)
    rows = [row async for row in app.state.database["audit"].find({"about": {"$in": [sender.client_id, TOWN]}})]
    for action, about in (("client-revoked", sender.client_id), ("organisation-changed", TOWN)):
        said = sum(row["action"] == action for row in rows)
        taken_back = sum(row["action"] == NOT_MADE and row["detail"] == action for row in rows)
        versions = await app.state.database["clients" if about == sender.client_id else "organisations"].find_one(
            {"_id": about}
        )
        assert said - taken_back == versions["version"] - 1


@pytest.mark.parametrize(
    ("address", "sent"),
    [
        ("/clients", {"scopes": ["referrals:read"], "public_key": '{"a":' * 1600}),
        ("/clients", {"scopes": ["referrals:read"], "public_key": "[" * 8000}),
        ("/clients", {"scopes": ["referrals:read"], "jwks_uri": "https://["}),
        ("/clients", {"scopes": [], "public_key": "x"}),
        ("/clients", {"scopes": ["referrals:read"], "name": 5}),
        ("/agreements", {"starts_on": "2026-02-30"}),
        ("/agreements", {"starts_on": "2026-03-01", "services": ["x"] * 51}),
        ("/agreements", {"starts_on": "2026-03-01", "returns": ["names"]}),
        ("/agreements", {"starts_on": "2026-03-01", "services": ["$where"]}),
    ],
)
async def test_bodies_that_are_no_good(keeper: Keeper, address: str, sent: dict[str, Any]) -> None:
    answer = await keeper.call("POST", f"{HERE}{address}", sent, 1)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
