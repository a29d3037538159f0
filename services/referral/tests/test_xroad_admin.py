"""X-Road members as managers and operators register, watch and shut them out: by page and over HTTP."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from polku_referral.xroad.door import MembersDoor
from polku_referral.xroad.members import Members
from polku_runtime.testing import Clock
from polku_web.problems import Problem

from .conftest import Person, SignIn
from .material import AINO, COORDINATOR, COUNTY, MANAGER, NOBODY, TOWN
from .test_admin_api import Keeper

API = f"/referral/api/v1/organisations/{TOWN}/x-road-members"
PAGE = f"/referral/organisations/{TOWN}"
NAME, OTHER = "FI-TEST/MUN/1234567-8/Tyollisyys", "FI-TEST/MUN/1234567-8/Kokeilu"


@pytest.fixture
async def manager(sign_in: SignIn) -> Person:
    found: Person = await sign_in(MANAGER)
    return found


@pytest.fixture
def keeper(manager: Person) -> Keeper:
    return Keeper(manager)


@pytest.fixture
def door(app: FastAPI) -> MembersDoor:
    """The listener's, on the same database."""
    directory = app.state.directory
    return MembersDoor(
        Members(directory.database, directory.effects), directory, app.state.desk.audit, app.state.refusals
    )


async def comes_in(door: MembersDoor, name: str = NAME) -> bool:
    try:
        return await door.client(name) is not None
    except Problem as problem:
        if problem.code != "x-road-member":
            raise
        return False


async def trail(app: FastAPI, member_id: str) -> list[tuple[str, str, str | None]]:
    rows = app.state.database["audit"].find({"about": member_id}).sort([("at", 1), ("_id.seq", 1)])
    return [(row["action"], row["detail"], row["by"]) async for row in rows]


async def test_a_member_from_its_beginning_to_its_end(app: FastAPI, keeper: Keeper, door: MembersDoor) -> None:
    assert not await comes_in(door)
    listed = (await keeper.get(API)).json()
    assert (listed["items"], [(one["name"], one["tries"]) for one in listed["unknown"]]) == ([], [(NAME, 1)])

    made = await keeper.call("POST", API, {"name": f" {NAME.replace('-', '%2D')} "})
    assert made.status_code == 201, made.text
    here, shown = made.headers["location"], made.json()
    assert (await keeper.get(here)).json() == shown
    assert (shown["name"], shown["scopes"], shown["test"], shown["used_at"], shown["refused"]) == (
        NAME, ["referrals:write", "referrals:read"], False, None, 0,
    )  # fmt: skip
    assert await comes_in(door)
    assert (await keeper.get(here)).json()["used_at"] is not None
    assert (await keeper.get(API)).json()["unknown"] == []

    assert (await keeper.call("POST", f"{here}/revoke")).status_code == 428
    out = await keeper.call("POST", f"{here}/revoke", None, 1)
    assert (out.json()["active"], out.headers["etag"]) == (False, '"2"')
    assert not await comes_in(door)
    assert (await keeper.get(here)).json()["refused"] == 1
    assert (await keeper.call("POST", f"{here}/restore", None, 1)).json()["code"] == "lost-race"
    assert (await keeper.call("POST", f"{here}/revoke", None, 2)).json()["refusal"] == "member-revoked-already"
    assert (await keeper.call("POST", f"{here}/restore", None, 2)).json()["active"] is True
    assert (await keeper.call("POST", f"{here}/restore", None, 3)).json()["refusal"] == "member-not-revoked"
    assert await comes_in(door)
    assert await trail(app, shown["id"]) == [
        ("x-road-member-added", NAME, MANAGER),
        ("x-road-member-revoked", NAME, MANAGER),
        ("x-road-refused", NAME, None),
        ("x-road-member-restored", NAME, MANAGER),
    ]


@pytest.mark.parametrize(
    ("sent", "pointer", "code"),
    [
        ({"name": "FI-TEST/MUN"}, "/name", "member-form"),
        ({"name": "FI-TEST:MUN:1234567-8:Tyollisyys"}, "/name", "member-form"),
        ({"name": "FI-TEST/MUN/1234567-8/Työ"}, "/name", "member-form"),
        ({"name": f"FI-TEST/MUN/{AINO}/x"}, "/name", "looks-like-identity-code"),
        ({"name": ""}, "/name", "string-too-short"),
        ({"name": OTHER}, "/name", "member-known"),
        ({"name": "FI-TEST/MUN/2345678-9/Hyvinvointi"}, "/name", "taken"),
        ({"name": NAME, "scopes": ["figures:read"]}, "/scopes/0", None),
        ({"name": NAME, "scopes": []}, "/scopes", "too-short"),
        ({"name": NAME, "public_key": "x"}, "/public_key", None),
    ],
)
async def test_what_is_wrong_is_pointed_at(
    keeper: Keeper, door: MembersDoor, sent: dict[str, Any], pointer: str, code: str | None
) -> None:
    for name, owner in ((OTHER, TOWN), ("FI-TEST/MUN/2345678-9/Hyvinvointi", COUNTY)):
        await door.members.register(name, owner, ("referrals:read",), test=True)
    answer = await keeper.call("POST", API, sent)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert code in (None, error["code"])
    assert AINO not in answer.text
    assert not await comes_in(door)


async def test_by_page_without_javascript(app: FastAPI, manager: Person, door: MembersDoor) -> None:
    empty = (await manager.get(PAGE)).text
    assert "No X-Road member comes in as this organisation" in empty
    assert "docs/x-road.md" in empty
    add = f"{PAGE}/x-road-members/add"
    assert "without being registered" not in empty
    assert not await comes_in(door)
    assert "without being registered" in (await manager.get(PAGE)).text
    form = await manager.get(add)
    assert f"{add}?name={NAME}" in form.text  # it has tried, so it need not be typed
    filled = (await manager.get(f"{add}?name={NAME}")).text
    assert f'value="{NAME}"' in filled

    wrong = await manager.submit(add, add, {"name": "FI-TEST:MUN:1234567-8:Tyollisyys"})
    assert wrong.status_code == 422
    assert 'href="#f-name"' in wrong.text
    assert "FI-TEST:MUN:1234567-8:Tyollisyys" in wrong.text
    sent = {"csrf": manager.csrf, "name": NAME, "scopes": ["referrals:read"], "test": "yes"}
    done = await manager.http.post(add, data=sent)
    assert done.headers["location"] == f"{PAGE}?done=member-added"
    (member,) = await door.members.of(TOWN)
    assert (member.scopes, member.test) == (("referrals:read",), True)
    assert (await manager.http.post(add, data=sent)).status_code == 422

    at = f"{PAGE}/x-road-members/{member.client_id}"
    shown = (await manager.get(done.headers["location"])).text
    for told in (NAME, "Test", "Not yet", "It may come in from its next request on", f'href="{at}/revoke"'):
        assert told in shown, told
    assert NAME in (await manager.get(f"{at}/revoke")).text
    assert (await manager.submit(f"{at}/revoke", f"{at}/revoke")).status_code == 303
    assert not await comes_in(door)
    stale = await manager.http.post(f"{at}/revoke", data={"csrf": manager.csrf, "version": "1"})
    assert stale.status_code == 409
    assert "Somebody changed this meanwhile" in stale.text
    back = await manager.http.post(f"{at}/restore", data={"csrf": manager.csrf, "version": "2"})
    assert back.headers["location"] == f"{PAGE}?done=member-restored"
    assert await comes_in(door)


async def test_only_managers_and_operators_and_only_of_this_organisation(
    sign_in: SignIn, manager: Person, keeper: Keeper, door: MembersDoor
) -> None:
    other = await door.members.register("FI-TEST/MUN/2345678-9/Hyvinvointi", COUNTY, ("referrals:read",), test=False)
    for member_id in (other.client_id, NOBODY):
        assert (await keeper.get(f"{API}/{member_id}")).status_code == 404
        assert (await keeper.call("POST", f"{API}/{member_id}/revoke", None, 1)).status_code == 404
        assert (await manager.get(f"{PAGE}/x-road-members/{member_id}/revoke")).status_code == 404
        sent = {"csrf": manager.csrf, "version": "1"}
        answer = await manager.http.post(f"{PAGE}/x-road-members/{member_id}/revoke", data=sent)
        assert answer.status_code == 404
    assert await comes_in(door, other.name)
    assert (await keeper.get(API.replace(TOWN, NOBODY))).status_code == 404
    coordinator = await sign_in(COORDINATOR)
    for address in (API, f"{PAGE}/x-road-members/add"):
        assert (await coordinator.get(address)).status_code == 403
    forged = await manager.http.post(f"{PAGE}/x-road-members/add", data={"name": NAME, "scopes": ["referrals:read"]})
    assert forged.status_code == 403


async def test_use_is_told_but_not_written_with_every_request(door: MembersDoor, clock: Clock) -> None:
    await door.members.register(NAME, TOWN, ("referrals:read",), test=False)
    begin, told = clock.now, []
    for after_s in (0, 59, 61):
        clock.now = begin + timedelta(seconds=after_s)
        assert await comes_in(door)
        member = await door.members.get(NAME)
        assert member is not None
        assert member.used_at is not None
        told.append((member.used_at - begin).total_seconds())
    assert told == [0, 0, 61]
    assert member.version == 1  # the door's notes are no changes by people


async def test_so_many_strangers_are_remembered(door: MembersDoor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polku_referral.xroad.members.MOST_STRANGERS", 2)
    for number in (1, 2, 3, 2):
        assert not await comes_in(door, f"FI-TEST/COM/{number}/x")
    assert not await comes_in(door, f"FI-TEST/COM/{AINO}/x")
    assert sorted((one.name, one.tries) for one in await door.members.strangers()) == [
        ("FI-TEST/COM/1/x", 1),
        ("FI-TEST/COM/2/x", 2),
    ]


async def test_a_member_of_before_there_were_versions(app: FastAPI, keeper: Keeper, door: MembersDoor) -> None:
    old = {"client_id": NOBODY, "organisation_id": TOWN, "scopes": ["referrals:read"], "test": False, "active": True}
    await door.members.rows.insert_one({"_id": NAME, **old})
    assert await comes_in(door)
    await door.members.create_indexes()  # as every worker does when it starts
    assert (await keeper.call("POST", f"{API}/{NOBODY}/revoke", None, 1)).json()["active"] is False
    assert not await comes_in(door)


@pytest.mark.parametrize(("language", "told"), [("fi", "X-Road-jäsenet"), ("sv", "X-Road-medlemmar")])
async def test_in_other_languages(sign_in: SignIn, door: MembersDoor, language: str, told: str) -> None:
    member = await door.members.register(NAME, TOWN, ("referrals:read",), test=False)
    await comes_in(door, OTHER)
    me = await sign_in(MANAGER, language)
    assert told in (await me.get(PAGE)).text
    for way in ("add", f"{member.client_id}/revoke"):
        page = (await me.get(f"{PAGE}/x-road-members/{way}")).text
        assert "X-Road member" not in page
        assert "Have tried" not in page
