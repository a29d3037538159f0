"""Who may come in, as managers and operators see and change it without JavaScript."""

import html
import json
import re
from typing import Any

import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey

from polku_referral.door.client_keys import fingerprints
from polku_referral.model.directory import Staff, announce_staff

from .conftest import Person, Sender, SignIn
from .material import COACH, COORDINATOR, MANAGER, NOBODY, REFERRER, TODAY, TOWN, body

PLACE = "/referral/organisations"
HERE = f"{PLACE}/{TOWN}"
OPERATOR = "0197aaaa-0000-7000-8000-000000000009"


@pytest.fixture
async def operator(app: FastAPI, sign_in: SignIn) -> Person:
    directory = app.state.directory
    since = directory.effects.now()
    member = Staff(id=OPERATOR, login="o@example.fi", name="Osmo", roles=("operator",), sessions_valid_from=since)
    await directory.staff.add(*announce_staff(member))
    found: Person = await sign_in(OPERATOR)
    return found


@pytest.fixture
async def manager(sign_in: SignIn) -> Person:
    found: Person = await sign_in(MANAGER)
    return found


async def trail(app: FastAPI) -> list[tuple[str, str | None]]:
    """Actions of changes, oldest first, with who did them."""
    rows = (
        app.state.database["audit"]
        .find({"action": {"$not": re.compile("read|denied")}})
        .sort([("at", 1), ("_id.seq", 1)])
    )
    return [(row["action"], row["by"]) async for row in rows]


def id_in(location: str) -> str:
    found = re.search(r"/organisations/([0-9a-f-]{36})", location)
    assert found
    return found[1]


async def test_who_may_see_it(sign_in: SignIn, operator: Person, manager: Person) -> None:
    for me in (operator, manager):
        page = await me.get(PLACE)
        assert page.status_code == 200
        assert 'href="/referral/organisations" aria-current="true"' in page.text
        assert (await me.get(HERE)).status_code == 200
        assert (await me.get(f"{PLACE}/{NOBODY}")).status_code == 404
    for staff_id in (COORDINATOR, COACH, REFERRER):
        me = await sign_in(staff_id)
        for address in (PLACE, HERE, f"{PLACE}/add", f"{HERE}/change", f"{HERE}/clients/add", f"{HERE}/deactivate"):
            assert (await me.get(address)).status_code == 403, (staff_id, address)
    stranger = await sign_in(None)
    assert (await stranger.get(PLACE)).headers["location"].startswith("/referral/sign-in")
    # An operator never meets a person.
    assert (await operator.get("/referral/referrals")).status_code == 403
    assert (await operator.get("/")).headers["location"] == PLACE


async def test_an_organisation_is_added_and_changed(app: FastAPI, operator: Person) -> None:
    filled = {
        "name": "Sotkamon kunta",
        "code": "sotkamo",
        "business_id": "20774740",
        "aliases": "Sotkamo\r\n\r\nSotkamo town",
    }
    made = await operator.submit(f"{PLACE}/add", f"{PLACE}/add", filled)
    assert made.status_code == 303, made.text
    assert made.headers["location"].endswith("?done=added")
    shown = (await operator.get(made.headers["location"])).text
    for told in ("Sotkamon kunta", "2077474-0", "Sotkamo, Sotkamo town", "not restricted", "No system of this"):
        assert told in shown, told
    here = f"{PLACE}/{id_in(made.headers['location'])}"
    changed = {"name": "Sotkamo", "valid_until": "31.12.2025", "business_id": ""}
    assert (await operator.submit(f"{here}/change", f"{here}/change", changed)).status_code == 303
    shown = (await operator.get(here)).text
    assert "Outside its days" in shown
    assert "2077474-0" not in shown
    assert await trail(app) == [("organisation-added", OPERATOR), ("organisation-changed", OPERATOR)]


@pytest.mark.parametrize(
    ("filled", "told"),
    [
        ({"name": ""}, "This is required"),
        ({"code": "Ei Käy"}, "does not have the right form|not valid"),
        ({"code": "kajaani"}, "Another organisation has this already"),
        ({"business_id": "2077474-1"}, "no Finnish business id"),
        ({"valid_from": "x"}, "Give the day"),
        ({"valid_from": "2.1.2026", "valid_until": "1.1.2026"}, "before the first day"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field(
    app: FastAPI, manager: Person, filled: dict[str, str], told: str
) -> None:
    answer = await manager.submit(f"{PLACE}/add", f"{PLACE}/add", {"name": "Uusi", "code": "uusi", **filled})
    assert answer.status_code == 422
    assert re.search(told, answer.text)
    assert 'aria-invalid="true"' in answer.text
    assert "Uusi" in answer.text or "name" in filled  # what was filled in stays
    assert await trail(app) == []


async def test_a_business_id_belongs_to_one(manager: Person) -> None:
    both = [{"name": "Uusi", "code": code, "business_id": "2077474-0"} for code in ("yksi", "kaksi")]
    answers = [await manager.submit(f"{PLACE}/add", f"{PLACE}/add", filled) for filled in both]
    assert [answer.status_code for answer in answers] == [303, 422]
    assert "e-business_id" in answers[1].text


async def test_agreements(manager: Person, sender: Sender) -> None:
    await manager.get(f"{HERE}/agreements/add")
    form: dict[str, Any] = {
        "csrf": manager.csrf, "version": "1", "starts_on": "1.3.2026", "ends_on": "", "services": ["training"],
        "programmes": ["kainuu"], "returns": [],
    }  # fmt: skip
    assert (await manager.http.post(f"{HERE}/agreements/add", data=form)).status_code == 303
    shown = (await manager.get(HERE)).text
    for told in ("1 Mar 2026", "Only the state", "In force", "Training"):
        assert told in shown, told
    assert (await sender.post(body("A-1"))).json()["code"] == "not-agreed"
    stale = await manager.http.post(f"{HERE}/agreements/add", data=form)
    assert stale.status_code == 409
    assert "Somebody changed this meanwhile" in stale.text
    assert "<option" not in stale.text
    (end,) = re.findall(r'href="([^"]+/end)"', shown)
    early = await manager.submit(end, end, {"ends_on": "2026-02-01"})
    assert early.status_code == 422
    assert "before the first day" in early.text
    assert (await manager.submit(end, end, {"ends_on": TODAY.isoformat()})).status_code == 303
    assert (await manager.get(f"{HERE}/agreements/{NOBODY}/end")).status_code == 404
    assert "2 Mar 2026" in (await manager.get(HERE)).text


async def add_client(me: Person, **filled: Any) -> Any:
    await me.get(f"{HERE}/clients/add")
    return await me.http.post(f"{HERE}/clients/add", data={"csrf": me.csrf, "scopes": ["referrals:read"], **filled})


async def test_a_client_with_a_key_made_here(app: FastAPI, manager: Person, sender: Sender) -> None:
    made = await add_client(manager, name="Asiakastieto", test="yes")
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    client_id = re.search(r"POLKU_CLIENT_CLIENT_ID=(\S+)", made.text)[1]  # type: ignore[index]
    private = json.loads(re.search(r"POLKU_CLIENT_KEY='(.+)'", made.text)[1])  # type: ignore[index]
    sender.client_id, sender.key = client_id, ECKey.import_key(private)
    assert (await sender.sign_on()).status_code == 200
    page = (await manager.get(f"{HERE}/clients/{client_id}")).text
    marks = fingerprints(sender.key.as_dict(private=False))
    for told in ("Asiakastieto", "Test", marks.thumbprint, marks.spki, "P-256"):
        assert told in page, told
    assert private["d"] not in page
    assert "Remove the key" not in page  # the only one
    assert await trail(app) == [("client-added", MANAGER)]


@pytest.mark.parametrize(
    ("filled", "field"),
    [
        ({"public_key": "no key"}, "public_key"),
        ({"jwks_uri": "http://keys.example.fi"}, "jwks_uri"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
    ],
)
async def test_clients_that_are_not_made(app: FastAPI, manager: Person, filled: dict[str, Any], field: str) -> None:
    answer = await add_client(manager, **filled)
    assert answer.status_code == 422
    assert f'href="#f-{field}"' in answer.text
    assert await app.state.directory.clients_of(TOWN) == []


@pytest.mark.parametrize("with_another_fault", [False, True])
async def test_a_private_key_is_neither_kept_nor_shown_nor_logged(
    app: FastAPI, manager: Person, sender: Sender, caplog: pytest.LogCaptureFixture, with_another_fault: bool
) -> None:
    key, here = ECKey.generate_key("P-256"), f"{HERE}/clients/{sender.client_id}"
    secret, text = key.as_dict(private=True)["d"], key.as_pem(private=True).decode()
    lines = [line for line in text.splitlines() if "-----" not in line] + [secret]
    for pasted in (text, json.dumps(key.as_dict(private=True))):
        added = await add_client(manager, public_key=pasted, **({"scopes": []} if with_another_fault else {}))
        one_more = await manager.submit(here, f"{here}/keys/add", {"public_key": pasted})
        for answer in (added, one_more):
            assert answer.status_code == 422
            assert not [line for line in lines if line in html.unescape(answer.text)]
        assert "This is a private key" in one_more.text
    assert [client.id for client in await app.state.directory.clients_of(TOWN)] == [sender.client_id]
    kept = [
        str(row)
        for name in await app.state.database.list_collection_names()
        async for row in app.state.database[name].find({})
    ]
    assert not [line for line in lines for row in kept if line in row]
    assert not [line for line in lines if line in caplog.text]


async def test_keys_are_changed(app: FastAPI, manager: Person, sender: Sender) -> None:
    here, old = f"{HERE}/clients/{sender.client_id}", sender.key
    new = ECKey.generate_key("P-256", auto_kid=True)
    pem = new.as_pem(private=False).decode()
    assert (await manager.submit(here, f"{here}/keys/add", {"public_key": "x"})).status_code == 422
    assert (await manager.submit(here, f"{here}/keys/add", {"public_key": pem})).status_code == 303
    again = await manager.submit(here, f"{here}/keys/add", {"public_key": pem})
    assert again.status_code == 409
    assert "has this key already" in again.text
    page = (await manager.get(here)).text
    assert page.count("/remove") == 2
    removing = f"{here}/keys/{old.thumbprint()}/remove"
    assert "None of the other keys has been used yet" in (await manager.get(removing)).text
    assert (await manager.submit(removing, removing)).status_code == 303
    assert (await manager.get(removing)).status_code == 404
    assert (await sender.sign_on()).status_code == 401
    page = (await manager.get(here)).text
    assert "Refused tries</dt><dd>1" in page
    sender.key = new
    assert (await sender.sign_on()).status_code == 200
    rows = [row async for row in app.state.database["audit"].find({"about": sender.client_id}).sort("_id.seq", 1)]
    assert [(row["action"], row["detail"]) for row in rows if "key" in row["action"]] == [
        ("client-key-added", new.thumbprint()),
        ("client-key-removed", old.thumbprint()),
    ]


async def test_a_client_is_revoked_after_a_question(app: FastAPI, manager: Person, sender: Sender) -> None:
    here = f"{HERE}/clients/{sender.client_id}"
    assert f'href="{here}/revoke"' in (await manager.get(here)).text
    assert (await sender.get("/referrals")).status_code == 200
    done = await manager.submit(f"{here}/revoke", f"{here}/revoke")
    assert done.headers["location"] == f"{here}?done=revoked"
    assert (await sender.sign_on()).status_code == 401
    page = (await manager.get(here)).text
    assert "Revoked" in page
    assert "Revoked" in (await manager.get(HERE)).text
    assert (await manager.submit(here, f"{here}/restore")).status_code == 303
    assert (await sender.sign_on()).status_code == 200


async def test_an_organisation_goes_out_of_use_with_its_clients(manager: Person, sender: Sender) -> None:
    done = await manager.submit(f"{HERE}/deactivate", f"{HERE}/deactivate")
    assert done.status_code == 303
    assert (await sender.sign_on()).status_code == 401
    assert "Organisation not in use" in (await manager.get(HERE)).text
    assert (await manager.submit(HERE, f"{HERE}/activate")).status_code == 303
    assert (await sender.sign_on()).status_code == 200


async def test_another_organisation_s_client_is_unknown_here(manager: Person, enrol: Any) -> None:
    other = await enrol("0197aaaa-0000-7000-8000-0000000000a2")
    here = f"{HERE}/clients/{other.client_id}"
    assert (await manager.get(here)).status_code == 404
    await manager.get(f"{PLACE}/add")
    for command in ("keys/add", "keys/x/remove", "revoke", "restore"):
        answer = await manager.http.post(f"{here}/{command}", data={"csrf": manager.csrf, "version": "1"})
        assert answer.status_code == 404, command


@pytest.mark.parametrize(
    "command", ["add", f"{TOWN}/change", f"{TOWN}/deactivate", f"{TOWN}/agreements/add", f"{TOWN}/clients/add"]
)
async def test_a_form_of_another_site_changes_nothing(app: FastAPI, manager: Person, command: str) -> None:
    answer = await manager.http.post(f"{PLACE}/{command}", data={"name": "x", "code": "x", "version": "1"})
    assert answer.status_code == 403
    assert await trail(app) == []


@pytest.mark.parametrize(
    ("language", "told", "agreement"),
    [("fi", "Organisaatiot", "sopimu"), ("sv", "Organisationer", "avtal"), ("en", "Organisations", "agreement")],
)
async def test_in_three_languages(sign_in: SignIn, sender: Sender, language: str, told: str, agreement: str) -> None:
    me = await sign_in(MANAGER, language)
    assert f"<h1>{told}</h1>" in (await me.get(PLACE)).text
    assert agreement not in (await me.get(f"{PLACE}/add")).text  # its days are its own
    for address in (
        f"{PLACE}/add",
        HERE,
        f"{HERE}/change",
        f"{HERE}/agreements/add",
        f"{HERE}/clients/add",
        f"{HERE}/clients/{sender.client_id}",
    ):
        page = await me.get(address)
        assert page.status_code == 200
        assert language == "en" or "Last day" not in page.text
