"""`polku client … | keys …`: machines, their keys and the door's own."""

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from joserfc.jwk import ECKey, OKPKey, RSAKey

from polku_runtime.testing import Clock

from .conftest import Sender
from .material import TOWN
from .terminal import Polku, printed, refused, token_of


@pytest.mark.parametrize("form", ["pem", "jwk"])
@pytest.mark.parametrize(
    ("alg", "make"),
    [
        ("ES256", lambda: ECKey.generate_key("P-256", auto_kid=True)),
        ("PS256", lambda: RSAKey.generate_key(2048, auto_kid=True)),
        ("Ed25519", lambda: OKPKey.generate_key("Ed25519", auto_kid=True)),
    ],
)
async def test_a_key_of_the_client_s_own(
    polku: Polku, browser: Any, clock: Clock, tmp_path: Path, app: FastAPI, alg: str, make: Any, form: str
) -> None:
    key, path = make(), tmp_path / "key"
    path.write_bytes(json.dumps(key.as_dict(private=False)).encode() if form == "jwk" else key.as_pem(private=False))
    arguments = ("client", "add", "--organisation", "kajaani", "--scope", "referrals:read", "--public-key", str(path))
    said = printed(await polku(*arguments, "--json"))
    assert "private_key" not in said
    assert await token_of(browser(), said["client_id"], key, clock, alg) == 200
    (kept,) = (await app.state.directory.client(said["client_id"])).keys
    assert not {"d", "p", "q", "k"} & kept.keys()
    assert kept["kid"] == key.thumbprint()


async def test_a_private_key_is_not_taken_by_mistake(
    polku: Polku, tmp_path: Path, app: FastAPI, sender: Sender
) -> None:
    key, path = ECKey.generate_key("P-256"), tmp_path / "key"
    add = ("client", "add", "--organisation", "kajaani", "--scope", "referrals:read", "--public-key", str(path))
    for text in (key.as_pem(private=True).decode(), json.dumps(key.as_dict(private=True))):
        path.write_text(text)
        for command in (add, ("client", "add-key", sender.client_id, str(path))):
            refused(await polku(*command), "holds a private key")
    (known,) = await app.state.directory.clients_of(TOWN)
    assert len(known.keys) == 1


async def test_a_key_is_rotated(polku: Polku, browser: Any, clock: Clock, tmp_path: Path) -> None:
    client = printed(await polku("client", "add", "--organisation", "kajaani", "--scope", "referrals:read", "--json"))
    client_id, old = client["client_id"], ECKey.import_key(client["private_key"])
    new, path = ECKey.generate_key("P-256", auto_kid=True), tmp_path / "new.pem"
    path.write_bytes(new.as_pem(private=False))
    added = printed(await polku("client", "add-key", client_id, str(path), "--json"))
    assert added["key_ids"] == [old.kid, new.kid]
    assert await token_of(browser(), client_id, old, clock) == 200
    clock.advance(seconds=1)
    printed(await polku("client", "remove-key", client_id, str(old.kid), "--json"))
    assert await token_of(browser(), client_id, old, clock) == 401
    assert await token_of(browser(), client_id, new, clock) == 200
    refused(await polku("client", "remove-key", client_id, str(new.kid)), "no other key")
    refused(await polku("client", "add-key", "nobody", str(path)), "there is no client nobody")


async def test_a_key_whose_id_begins_with_a_dash_is_removed(
    polku: Polku, tmp_path: Path, app: FastAPI, sender: Sender
) -> None:
    made = (ECKey.generate_key("P-256", auto_kid=True) for _ in itertools.count())
    key, path = next(key for key in made if key.thumbprint().startswith("-")), tmp_path / "key.pem"
    path.write_bytes(key.as_pem(private=False))
    added = printed(await polku("client", "add-key", sender.client_id, str(path), "--json"))
    assert key.thumbprint() in added["key_ids"]
    misspelt = await polku("client", "remove-key", sender.client_id, key.thumbprint(), "--jsno")
    assert (misspelt.exit_code, "--jsno" in misspelt.stderr) == (2, True)
    printed(await polku("client", "remove-key", sender.client_id, key.thumbprint(), "--leaked", "--json"))
    assert key.thumbprint() not in [one["kid"] for one in (await app.state.directory.client(sender.client_id)).keys]


async def test_a_client_is_shown_revoked_and_restored(polku: Polku, app: FastAPI, browser: Any, clock: Clock) -> None:
    added = ("client", "add", "--organisation", "kajaani", "--scope", "referrals:read", "--name", "Asiakastieto")
    client = printed(await polku(*added, "--test", "--json"))
    client_id, key = client["client_id"], ECKey.import_key(client["private_key"])
    assert await token_of(browser(), client_id, key, clock) == 200
    shown = printed(await polku("client", "show", client_id, "--json"))
    (mark,) = shown["keys"]
    assert (shown["name"], shown["test"], mark["thumbprint"]) == ("Asiakastieto", True, key.thumbprint())
    der = key.public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert mark["spki_sha256"] == hashlib.sha256(der).hexdigest()
    assert mark["used_at"] is not None
    assert printed(await polku("client", "revoke", client_id, "--json"))["active"] is False
    clock.advance(seconds=1)
    assert await token_of(browser(), client_id, key, clock) == 401
    refused(await polku("client", "revoke", client_id), "revoked already")
    (row,) = printed(await polku("client", "list", "--organisation", "kajaani", "--json"))
    assert (row["active"], row["refused"]) == (False, 1)
    printed(await polku("client", "restore", client_id, "--json"))
    clock.advance(seconds=1)
    assert await token_of(browser(), client_id, key, clock) == 200
    found = printed(await polku("audit", "show", "--client", client_id, "--since", "1.1.2026", "--json"))
    assert sorted((one["action"], one.get("detail")) for one in found) == [
        ("client-added", None), ("client-refused", "revoked"), ("client-restored", None), ("client-revoked", None),
    ]  # fmt: skip


async def test_signing_keys(polku: Polku, app: FastAPI) -> None:
    await app.state.keys.signer()
    made = printed(await polku("keys", "rotate", "--json"))
    assert made["kid"] == "polku-2"
    assert made["signs_from"] > made["made_at"]
    listed = printed(await polku("keys", "list", "--json"))
    assert [(one["kid"], one["signs"]) for one in listed] == [("polku-2", False), ("polku-1", True)]
    refused(await polku("keys", "retire", "polku-1"), "no other key")
    printed(await polku("keys", "rotate", "--at-once", "--json"))
    assert 0 < printed(await polku("keys", "retire", "polku-1", "--json"))["out_everywhere_within_s"] < 60
    (newest, *_) = printed(await polku("keys", "list", "--json"))
    assert (newest["kid"], newest["signs"]) == ("polku-3", True)
    rows = app.state.database["audit"].find({"action": {"$regex": "^signing-key"}})
    assert sorted([(row["action"], row["detail"]) async for row in rows]) == [
        ("signing-key-added", "polku-2"), ("signing-key-added", "polku-3"), ("signing-key-retired", "polku-1"),
    ]  # fmt: skip
