"""The vault: a blob opens where it belongs, with a key that lives, and nowhere else."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from bson import Binary
from fastapi import FastAPI
from pymongo.errors import PyMongoError

from polku_referral.desk import Desk
from polku_referral.master import MasterKey, read_master_key
from polku_referral.vault import Sealed, Vault
from polku_runtime.mongo import Client
from polku_runtime.settings import Settings, SettingsError

from .conftest import Sender, SignIn, form_of
from .material import API, COORDINATOR, PAGES

SECRET = secrets.token_bytes(96)
DATA = {"given_names": "Aino", "born": None, "goals": ["work"], "protected": False}


@pytest.fixture
async def vault(mongo_client: Client, settings: Settings) -> AsyncIterator[Vault]:
    made = Vault(mongo_client, f"{settings.namespace}_vault", MasterKey(SECRET))
    yield made
    await made.close()


def again(mongo_client: Client, settings: Settings, secret: bytes = SECRET) -> Vault:
    """The vault of another process, which has no key in its memory."""
    return Vault(mongo_client, f"{settings.namespace}_vault", MasterKey(secret))


async def test_what_goes_in_comes_out(vault: Vault, mongo_client: Client, settings: Settings) -> None:
    key = await vault.key()
    one, same = [await vault.seal(key, "person-1", "identity", DATA) for _ in range(2)]
    assert await vault.open(one, "person-1", "identity") == DATA
    assert await again(mongo_client, settings).open(one, "person-1", "identity") == DATA
    assert one != same  # equal data does not show
    assert b"Aino" not in one


@pytest.mark.parametrize(
    ("person", "kind"), [("person-2", "identity"), ("person-1", "contact"), ("", ""), ("person-1", "identity:x")]
)
async def test_a_blob_that_was_pasted_elsewhere(vault: Vault, person: str, kind: str) -> None:
    blob = await vault.seal(await vault.key(), "person-1", "identity", DATA)
    with pytest.raises(Sealed):
        await vault.open(blob, person, kind)


async def test_a_blob_that_was_changed(vault: Vault) -> None:
    blob = await vault.seal(await vault.key(), "person-1", "identity", DATA)
    for place in (0, 1, 16, 20, len(blob) // 2, len(blob) - 1):
        changed = bytearray(blob)
        changed[place] ^= 1
        with pytest.raises(Sealed):
            await vault.open(Binary(bytes(changed), 6), "person-1", "identity")
    for other in (Binary(b"", 6), Binary(bytes(blob)[:20], 6), Binary(bytes(blob), 0), "text", None, {"$gt": ""}):
        with pytest.raises(Sealed):
            await vault.open(other, "person-1", "identity")  # type: ignore[arg-type]


async def test_a_destroyed_key_opens_nothing_more(vault: Vault, mongo_client: Client, settings: Settings) -> None:
    key, other = await vault.key(), await vault.key()
    blob, theirs = [await vault.seal(k, "person-1", "identity", DATA) for k in (key, other)]
    await vault.destroy(key)
    fresh = again(mongo_client, settings)
    with pytest.raises(Sealed):
        await fresh.open(blob, "person-1", "identity")
    with pytest.raises(Sealed):
        await fresh.seal(key, "person-1", "identity", DATA)
    assert await fresh.open(theirs, "person-1", "identity") == DATA


async def test_without_the_master_key_nothing_opens(vault: Vault, mongo_client: Client, settings: Settings) -> None:
    blob = await vault.seal(await vault.key(), "person-1", "identity", DATA)
    with pytest.raises(Sealed):
        await again(mongo_client, settings, secrets.token_bytes(96)).open(blob, "person-1", "identity")


async def test_mongodb_gone_is_no_lost_key(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It must be told apart: the one is 503 and tried again, the other is erased for good."""
    from polku_runtime import mongo
    from polku_runtime.mongo import is_unavailable

    for patience in ("TIMEOUT_MS", "SELECTION_MS"):
        monkeypatch.setattr(mongo, patience, 200)
    client = mongo.connect(settings.model_copy(update={"mongo": "mongodb://127.0.0.1:1/"}))
    vault = Vault(client, "nowhere", MasterKey(SECRET))
    for trying in (vault.key(), vault.seal(Binary(b"k" * 16, 4), "p", "c", DATA)):
        with pytest.raises(PyMongoError) as caught:
            await trying
        assert is_unavailable(caught.value)
    await client.close()


async def test_spare_keys_are_ready_and_taken_back(mongo_client: Client, settings: Settings) -> None:
    vault = Vault(mongo_client, f"{settings.namespace}_vault", MasterKey(SECRET), spare=3)
    keys = mongo_client[f"{settings.namespace}_vault_keys"]["data_keys"]
    given = await vault.key()
    async with asyncio.timeout(5):
        while await keys.count_documents({}) < 1 + 3:
            await asyncio.sleep(0.01)
    assert await vault.key() != given
    await vault.close()
    assert await keys.count_documents({}) <= 3  # the two that were given, and one that was just being made


async def test_closing_ends_the_making_of_keys_also_when_a_library_keeps_it_to_itself(
    mongo_client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Vault(mongo_client, f"{settings.namespace}_vault", MasterKey(SECRET), spare=1)
    make = vault._encryption.create_data_key

    async def forgetful(provider: str) -> Binary:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.2)
        return await make(provider)

    monkeypatch.setattr(vault._encryption, "create_data_key", forgetful)
    await vault.key()
    await asyncio.sleep(0)
    filling = vault._filling
    assert filling is not None
    await vault.close()
    await asyncio.wait([filling], timeout=5)
    assert filling.cancelled()
    assert vault._spare.empty()


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), (b"x" * 95, "must hold 96 bytes, not 95")])
def test_a_master_key_that_is_none(tmp_path: Any, content: bytes | None, said: str) -> None:
    path = tmp_path / "master.key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=said):
        read_master_key(path)


def test_every_purpose_has_a_key_of_its_own() -> None:
    master = MasterKey(SECRET)
    assert len({master.lookup("a"), master.content(b"a"), MasterKey(secrets.token_bytes(96)).lookup("a")}) == 3
    assert master.lookup("a") == MasterKey(SECRET).lookup("a")


# -- an erased person, through HTTP -------------------------------------------------------------------------


async def test_lists_and_pages_of_an_erased_person_work(
    app: FastAPI, desk: Desk, sender: Sender, sign_in: SignIn
) -> None:
    referral, other = await sender.sent("A-1"), await sender.sent("A-2")
    me = await sign_in(COORDINATOR)
    declined = await me.command(f"/referrals/{other['id']}/decline", {"reason": "other", "text": "Muutti."}, 1)
    assert declined.status_code == 200
    kept = await desk.repository.get(referral["id"], {})
    assert kept is not None
    known = await desk.repository.person(kept.referral.person_id)
    assert known is not None
    await desk.vault.destroy(known.key)
    master = read_master_key(app.state.settings.master_key_file)
    forgetful = Vault(app.state.client, app.state.database.name, master)  # as after KEY_CACHE_MS
    object.__setattr__(desk, "vault", forgetful)
    desk.intake.keeper.vault = forgetful

    page = await me.get(f"{PAGES}/{referral['id']}")
    assert page.status_code == 200
    assert "[erased]" in page.text
    assert "Aino-Kanarialintu" not in page.text
    assert (await me.get(PAGES)).status_code == 200
    assert (await me.get(f"{PAGES}/{other['id']}")).status_code == 200
    person = await me.get(f"{API}/referrals/{referral['id']}/person")
    assert (person.status_code, person.json()["identity"], person.json()["notes"]) == (200, {}, {})
    assert (await me.get(f"{API}/names?person={known.person.id}")).json() == {"names": {}}
    shown = await sender.get(f"/referrals/{referral['id']}")
    assert (shown.status_code, shown.json()["receipt"]) == (200, None)
    assert (await sender.get(f"/referrals/{other['id']}")).json()["reason_text"] is None
    repeated = await sender.post({**_body("A-1")})
    assert (repeated.status_code, repeated.json()["code"], repeated.json()["refusal"]) == (409, "wrong-state", "erased")

    # A text for the sender could not be sealed; the coded reason is enough.
    to = f"{PAGES}/{referral['id']}/decline"
    form = form_of(page.text, to) | {"reason": "person-declined"}
    refused = await me.http.post(to, data={**form, "text": "Ei halunnut."})
    assert refused.status_code == 409
    assert (await me.http.post(to, data=form)).status_code == 303
    await forgetful.close()


def _body(external_id: str) -> dict[str, Any]:
    from .material import body

    return body(external_id)
