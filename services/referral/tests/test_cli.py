"""`polku organisation | agreement | client | staff | audit …`: what it prints opens the door; what is wrong is one line."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey

from polku_referral.audit import Look
from polku_referral.cli.common import packed
from polku_referral.door.oauth import TOKEN
from polku_runtime.testing import Clock

from .material import ORIGIN
from .terminal import Polku, printed, refused, token_of


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


async def test_the_audit_trail_is_walked(polku: Polku, app: FastAPI) -> None:
    await app.state.desk.audit.write(None, [Look("person-1", f"read-{number}", ("identity",)) for number in range(3)])
    assert printed(await polku("audit", "verify", "--json")) == {"holds": True, "wrong": []}
    await app.state.database["audit"].delete_one({"_id.seq": 2})
    found = await polku("audit", "verify")
    assert found.exit_code == 1
    assert "rows are missing before 3" in found.stdout


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
        (("organisation", "add", "uusi", "x" * 201), "name: String should have at most 200 characters"),
        (("organisation", "change", "kajaani", "--alias", "x" * 201), "aliases: String should have at most 200"),
        (
            ("client", "add", "--organisation", "kajaani", "--scope", "figures:read", "--name", "x" * 201),
            "name: String should have at most 200 characters",
        ),
        (("staff", "invite", " ", "--role", "operator"), "a login has 1 to 200 characters"),
        (("staff", "invite", "a", "--role", "operator", "--name", "x" * 201), "a name has 200 characters at most"),
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


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (1000, ["id=1  scopes=[a, b]  used=null"]),
        (20, ["id=1  scopes=[a, b]", "  used=null"]),
        (5, ["id=1", "  scopes=[a, b]", "  used=null"]),
    ],
)
def test_a_row_fits_the_terminal_and_no_value_is_broken(width: int, lines: list[str]) -> None:
    assert packed(["id=1", "scopes=[a, b]", "used=null"], width).split("\n") == lines


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


async def test_a_colleague_leaves(polku: Polku, app: FastAPI) -> None:
    printed(await polku("staff", "invite", "lena@example.fi", "--role", "operator", "--json"))
    assert printed(await polku("staff", "deactivate", "Lena@example.fi", "--json"))["active"] is False
    listed = {one["login"]: one["active"] for one in printed(await polku("staff", "list", "--json"))}
    assert listed["lena@example.fi"] is False
    assert listed["oona@example.fi"] is True
    refused(await polku("staff", "deactivate", "nobody"), "nobody who signs in as nobody")
