"""`polku organisation | client | staff …`: what it prints opens the door, and what is wrong is said in one line."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, JWKRegistry, OctKey, OKPKey, RSAKey
from typer.testing import CliRunner, Result

from polku_referral import cli
from polku_referral.audit import Look
from polku_referral.door.client_keys import Unfit, new_pair, public_key
from polku_referral.door.oauth import TOKEN
from polku_runtime.testing import Clock

from .material import ORIGIN, token_form

Polku = Callable[..., Any]


@pytest.fixture
def polku(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Polku:
    """`await polku("staff", "invite", …)` → the result, as a person at the terminal gets it."""
    settings = app.state.settings
    monkeypatch.setenv("POLKU_MONGO", settings.mongo)
    monkeypatch.setenv("POLKU_NAMESPACE", settings.namespace)
    monkeypatch.setenv("POLKU_SESSION_KEYS", settings.session_keys.get_secret_value())
    monkeypatch.setenv("POLKU_BASE_URL", settings.base_url)
    monkeypatch.setenv("POLKU_MASTER_KEY_FILE", str(settings.master_key_file))

    async def run(*arguments: str) -> Result:
        # In a thread: the command runs a loop of its own.
        return await asyncio.to_thread(CliRunner().invoke, cli.app, list(arguments))

    return run


def printed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(result: Result, what: str) -> None:
    assert result.exit_code == 1
    assert result.stderr.startswith("polku: ")
    assert result.stderr.count("\n") == 1
    assert what in result.stderr
    assert result.stdout == ""


async def token_of(http: httpx.AsyncClient, client_id: str, key: Any, clock: Clock, alg: str = "ES256") -> int:
    now = int(clock.now.timestamp())
    claims = {"iss": client_id, "sub": client_id, "aud": ORIGIN, "exp": now + 60, "jti": f"jti-{now}-0001"}
    signed = jwt.encode({"alg": alg, "kid": key.kid}, claims, key, algorithms=[alg])
    return (await http.post(TOKEN, data=token_form(signed))).status_code


async def test_an_authority_connects(polku: Polku, browser: Any, clock: Clock, app: FastAPI) -> None:
    made = printed(await polku("organisation", "add", "sotkamo", "Sotkamon kunta", "--kind", "other", "--json"))
    client = printed(await polku("client", "add", "--organisation", "sotkamo", "--scope", "referrals:write", "--json"))
    assert (client["token_endpoint"], client["audience"]) == (ORIGIN + TOKEN, ORIGIN)
    key = ECKey.import_key(client["private_key"])
    assert await token_of(browser(), client["client_id"], key, clock) == 200
    # What is kept is the public half.
    kept = await app.state.directory.client(client["client_id"])
    assert (kept.organisation_id, kept.scopes) == (made["organisation_id"], ("referrals:write",))
    assert client["private_key"]["d"] not in kept.model_dump_json()
    found = await app.state.directory.organisations.collection.find_one({"code": "sotkamo"})
    assert [event["type"] for event in found["outbox"]] == ["polku.organisation.changed.v1"]


@pytest.mark.parametrize("form", ["pem", "jwk", "private-pem"])
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
    is_private = form == "private-pem"
    path.write_bytes(
        json.dumps(key.as_dict(private=False)).encode() if form == "jwk" else key.as_pem(private=is_private)
    )
    arguments = ("client", "add", "--organisation", "kajaani", "--scope", "referrals:read", "--public-key", str(path))
    said = printed(await polku(*arguments, "--json"))
    assert "private_key" not in said
    assert await token_of(browser(), said["client_id"], key, clock, alg) == 200
    (kept,) = (await app.state.directory.client(said["client_id"])).keys
    assert not {"d", "p", "q", "k"} & kept.keys()
    assert kept["kid"] == key.thumbprint()


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


async def test_the_audit_trail_is_walked(polku: Polku, app: FastAPI) -> None:
    await app.state.desk.audit.write(None, [Look("person-1", f"read-{number}", ("identity",)) for number in range(3)])
    assert printed(await polku("audit", "verify", "--json")) == {"holds": True, "wrong": []}
    await app.state.database["audit"].delete_one({"_id.seq": 2})
    found = await polku("audit", "verify")
    assert found.exit_code == 1
    assert "rows are missing before 3" in found.stdout


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not a key",
        "{",
        "{}",
        "[]",
        '{"keys":[]}',
        '{"kty":["EC"]}',
        '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}',
        '{"kty":"EC","crv":"P-256","x":1,"y":2}',
        json.dumps(OctKey.generate_key(256).as_dict()),
        json.dumps(ECKey.generate_key("P-384").as_dict(private=False)),
        json.dumps(ECKey.generate_key("secp256k1").as_dict(private=False)),
        json.dumps(OKPKey.generate_key("X25519").as_dict(private=False)),
        ECKey.generate_key("P-521").as_pem(private=False).decode(),
        json.dumps({**ECKey.generate_key("P-256").as_dict(private=False), "use": "enc"}),
        '{"a":' * 1600,
    ],
)
def test_keys_that_prove_nothing(text: str) -> None:
    with pytest.raises(Unfit):
        public_key(text)


@pytest.mark.parametrize("kid", ["", "ä", "x y", "x" * 129, "a\nb", None, 5])
def test_a_key_id_that_is_not_plain_is_not_kept(kid: object) -> None:
    key = ECKey.generate_key("P-256")
    told = {**key.as_dict(private=False), "kid": kid, "note": "x"}
    try:
        found = public_key(json.dumps(told))
    except Unfit:
        assert not isinstance(kid, str)
        return
    assert found["kid"] == key.thumbprint()
    assert "note" not in found


@pytest.mark.filterwarnings("ignore:Key size")
def test_a_short_rsa_key() -> None:
    with pytest.raises(Unfit):
        public_key(RSAKey.generate_key(1024).as_pem(private=False).decode())


def test_a_new_pair_belongs_together() -> None:
    private, public = new_pair()
    assert "d" not in public
    assert JWKRegistry.import_key(private).thumbprint() == public["kid"]


async def test_a_colleague_is_invited(polku: Polku, browser: Any, app: FastAPI, clock: Clock) -> None:
    arguments = ("staff", "invite", "Uusi@Example.FI", "--role", "coordinator", "--programme", "kainuu", "--json")
    said = printed(await polku(*arguments))
    assert said["login"] == "uusi@example.fi"
    clock.now = datetime.now(UTC) + timedelta(seconds=1)  # the command goes by the real clock
    http = browser()
    assert (await http.get(said["link"])).status_code == 200
    opened = await http.post(said["link"], data={"password": "", "again": ""})
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    assert (await http.get("/referral/referrals")).status_code == 200
    assert (await browser().post(said["link"], data={"password": "", "again": ""})).status_code == 404

    # A fresh link for the same person: programmes and organisation stay when they are not given.
    again = printed(await polku("staff", "invite", "uusi@example.fi", "--role", "manager", "--json"))
    assert again["staff_id"] == said["staff_id"]
    assert again["link"] != said["link"]
    member = await app.state.directory.staff.get(said["staff_id"])
    assert (member.roles, member.programmes, member.version) == (("manager",), ("kainuu",), 2)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("organisation", "add", "kajaani", "Toinen"), "there is an organisation kajaani already"),
        (("organisation", "add", "Kajaani!", "Toinen"), "Kajaani! is no code"),
        (("organisation", "add", "uusi", "Uusi", "--kind", "bank"), "no kind bank"),
        (("client", "add", "--organisation", "nowhere", "--scope", "referrals:read"), "no organisation nowhere"),
        (("client", "add", "--organisation", "kajaani", "--scope", "everything"), "no scope everything"),
        (
            ("client", "add", "--organisation", "kajaani", "--scope", "referrals:read", "--public-key", "/nowhere"),
            "/nowhere cannot be read: No such file",
        ),
        (
            ("client", "add", "--organisation", "kajaani", "--scope", "referrals:read", "--public-key", __file__),
            "holds no public key that can be used",
        ),
        (("organisation", "add", "uusi", "Uusi", "--business-id", "2077474-1"), "no Finnish business id"),
        (("organisation", "change", "nowhere", "--name", "x"), "no organisation nowhere"),
        (("organisation", "add", "uusi", "Uusi", "--from", "eilen"), "eilen is no day"),
        (("agreement", "add", "--organisation", "kajaani", "--from", "1.1.2026", "--route", "x"), "known values"),
        (("agreement", "end", "x", "--organisation", "kajaani"), "no such agreement"),
        (
            ("client", "add", "--organisation", "kajaani", "--scope", "figures:read", "--jwks-url", "http://x.fi"),
            "must begin with https",
        ),
        (("client", "show", "nobody"), "there is no client nobody"),
        (("staff", "invite", "a", "--role", "chief"), "no role chief"),
        (("staff", "invite", "a", "--role", "coordinator"), "a coordinator needs --programme"),
        (("staff", "invite", "a", "--role", "operator", "--role", "referrer"), "a referrer needs --organisation"),
        (("staff", "invite", "a", "--role", "coach", "--programme", "mars"), "no programme mars"),
        (("staff", "invite", "a", "--role", "operator", "--organisation", "nowhere"), "no organisation nowhere"),
    ],
)
async def test_what_is_wrong_is_said_in_one_line(
    polku: Polku, app: FastAPI, arguments: tuple[str, ...], what: str
) -> None:
    collections = ("organisations", "clients", "staff", "links")
    before = [await app.state.database[name].count_documents({}) for name in collections]
    refused(await polku(*arguments), what)
    assert [await app.state.database[name].count_documents({}) for name in collections] == before


async def test_without_json_it_reads_well(polku: Polku) -> None:
    said = await polku("staff", "invite", "oskari@example.fi", "--role", "operator")
    lines = dict(line.split(": ", 1) for line in said.stdout.splitlines())
    assert lines["login"] == "oskari@example.fi"
    assert lines["link"].startswith(f"{ORIGIN}/referral/link/")


async def test_an_organisation_with_agreements(polku: Polku, app: FastAPI) -> None:
    added = ("organisation", "add", "sotkamo", "Sotkamo", "--business-id", "20774740", "--alias", "Sotkamon kunta")
    printed(await polku(*added, "--until", "31.12.2030", "--json"))
    changed = printed(
        await polku("organisation", "change", "sotkamo", "--fhir-profile", "bser", "--until", "", "--json")
    )
    assert (changed["business_id"], changed["valid_until"], changed["fhir_profile"]) == ("2077474-0", None, "bser")
    assert changed["aliases"] == ["Sotkamon kunta"]
    agreed = ("agreement", "add", "--organisation", "sotkamo", "--from", "1.3.2026", "--service", "training")
    agreement = printed(await polku(*agreed, "--returns", "outcome", "--json"))["agreement_id"]
    printed(await polku("agreement", "end", agreement, "--organisation", "sotkamo", "--on", "2026-06-30", "--json"))
    (listed,) = printed(await polku("agreement", "list", "--organisation", "sotkamo", "--json"))
    assert (listed["services"], listed["returns"], listed["ends_on"]) == (["training"], ["outcome"], "2026-06-30")
    shown = printed(await polku("organisation", "show", "sotkamo", "--json"))
    assert (shown["restricted"], shown["version"]) == (True, 4)
    printed(await polku("organisation", "deactivate", "sotkamo", "--json"))
    printed(await polku("organisation", "deactivate", "sotkamo", "--json"))  # once more is nothing more
    listed = printed(await polku("organisation", "list", "--json"))
    assert {one["code"]: one["active"] for one in listed} == {
        "kainuu-hyvinvointi": True, "kajaani": True, "sotkamo": False,
    }  # fmt: skip
    printed(await polku("organisation", "activate", "sotkamo", "--json"))
    assert (await app.state.directory.organisation("sotkamo")).active


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
    printed(await polku("keys", "retire", "polku-1", "--json"))
    (newest, *_) = printed(await polku("keys", "list", "--json"))
    assert (newest["kid"], newest["signs"]) == ("polku-3", True)
    rows = app.state.database["audit"].find({"action": {"$regex": "^signing-key"}})
    assert sorted([(row["action"], row["detail"]) async for row in rows]) == [
        ("signing-key-added", "polku-2"), ("signing-key-added", "polku-3"), ("signing-key-retired", "polku-1"),
    ]  # fmt: skip


async def test_a_colleague_leaves(polku: Polku, app: FastAPI) -> None:
    printed(await polku("staff", "invite", "lena@example.fi", "--role", "operator", "--json"))
    assert printed(await polku("staff", "deactivate", "Lena@example.fi", "--json"))["active"] is False
    listed = {one["login"]: one["active"] for one in printed(await polku("staff", "list", "--json"))}
    assert listed["lena@example.fi"] is False
    assert listed["oona@example.fi"] is True
    refused(await polku("staff", "deactivate", "nobody"), "nobody who signs in as nobody")
