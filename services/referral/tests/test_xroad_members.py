"""X-Road's names: who is meant, what is kept of a message; and how an operator lets a member in."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from polku_referral.model.identity import parse
from polku_referral.model.xroad import member_of, message_of
from polku_referral.xroad.door import MembersDoor
from polku_referral.xroad.listener import lets_machines_in, offered
from polku_referral.xroad.members import Members
from polku_web.problems import Problem

from .material import AINO, ONNI, TODAY
from .terminal import printed, refused

MEMBER = "FI-TEST/MUN/1234567-8/Tyollisyys"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (MEMBER, MEMBER),
        ("FI/GOV/0245437-2", "FI/GOV/0245437-2"),
        ("FI/GOV/0245437-2/a'()+,-.=?b", "FI/GOV/0245437-2/a'()+,-.=?b"),
        ("FI/GOV/0245437%2D2/a%28b%29", "FI/GOV/0245437-2/a(b)"),
        ("", None),
        ("FI/GOV", None),
        ("FI/GOV/0245437-2/", None),
        ("/FI/GOV/0245437-2", None),
        ("FI/GOV/0245437-2/a/b", None),
        ("FI%2FGOV%2F0245437-2", None),
        ("FI/GOV/0245437-2/a%2Fb", None),  # a slash within a part is no character of an identifier
        ("FI/GOV/0245437-2/a%00b", None),
        ("FI/GOV/0245437-2/%C3", None),
        ("FI/GOV/0245437-2/%C3%A4", None),
        ("FI/GOV/0245437-2/a b", None),
        ("FI/GOV/0245437-2/a_b", None),
        ("FI/GOV/0245437-2/a%", None),
        ("FI/GOV/0245437-2/a:b", None),
        ("FI/GOV/0245437-2/" + "a" * 101, None),
        ("FI/GOV/０245437-2/a", None),
    ],
)
def test_who_is_meant(said: str, meant: str | None) -> None:
    assert member_of(said) == meant


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", ""),
        ("FI-virkailija-17", "FI-virkailija-17"),
        ("4c1e2f9e-7c7b-4f5d-9a77-0f1b6f1f2b01", "4c1e2f9e-7c7b-4f5d-9a77-0f1b6f1f2b01"),
        (AINO, "-"),
        (f"FI{AINO}", "-"),
        (f"fi{AINO.lower()}", "-"),
        (f"case/{ONNI}/2026", "-"),
        (f"x{ONNI}x", "-"),
        ("FI" + AINO.replace("Y", "%59"), "-"),
        ("FI010594%2D9032", "-"),
        ("99010594-9032-4f5d-9a77-0f1b6f1f2b01", "99010594-9032-4f5d-9a77-0f1b6f1f2b01"),  # a UUID that looks so
        ("FI010594-999X", "-"),  # not even one that could exist: somebody meant a person
        ("a b", "-"),
        ("a\tb", "-"),
        ("ä", "-"),
        ("a" * 200, "a" * 200),
        ("a" * 201, "-"),
    ],
)
@pytest.mark.parametrize("header", ["x-road-id", "x-road-userid", "x-road-issue", "x-road-request-id"])
def test_what_is_kept_of_a_message(header: str, said: str, kept: str) -> None:
    assert kept in message_of({header: said})
    assert AINO not in str(message_of({header: said}))


def test_the_identity_codes_of_this_test_are_real_ones() -> None:
    assert all(not isinstance(parse(code, "artificial", TODAY), str) for code in (AINO, ONNI))


@pytest.fixture
def door(app: FastAPI) -> MembersDoor:
    directory = app.state.directory
    members = Members(directory.database, directory.effects)
    return MembersDoor(members, directory, app.state.desk.audit, app.state.refusals)


async def refusal(door: MembersDoor, name: str) -> str:
    with pytest.raises(Problem) as caught:
        await door.client(name)
    return caught.value.code


async def test_a_member_is_let_in_changed_and_shut_out(polku: Callable[..., Any], door: MembersDoor) -> None:
    assert await refusal(door, MEMBER) == "x-road-member"
    made = printed(await polku("organisation", "xroad", "kajaani", MEMBER, "--json"))
    assert made["scope"] == "referrals:write referrals:read"
    who = await door.client(MEMBER)
    assert who is not None
    assert (who.kind, who.id, who.test) == ("client", made["client_id"], False)
    assert who.scopes == {"referrals:write", "referrals:read"}

    changed = printed(
        await polku("organisation", "xroad", "kajaani", MEMBER, "--scope", "referrals:read", "--test", "--json")
    )
    assert changed["client_id"] == made["client_id"]
    now = await door.client(MEMBER)
    assert now is not None
    assert (now.scopes, now.test) == ({"referrals:read"}, True)

    printed(await polku("organisation", "xroad", "kajaani", MEMBER, "--remove", "--json"))
    assert await refusal(door, MEMBER) == "x-road-member"
    rows = [row async for row in door.audit.rows.find({"detail": MEMBER}).sort("at")]
    assert [row["action"] for row in rows if row["action"].startswith("x-road-member")] == [
        "x-road-member-added",
        "x-road-member-changed",
        "x-road-member-revoked",
    ]
    listed = await polku("organisation", "xroad", "kajaani")
    assert MEMBER in listed.stdout


async def test_a_member_of_an_organisation_that_has_left(polku: Callable[..., Any], door: MembersDoor) -> None:
    printed(await polku("organisation", "xroad", "kajaani", MEMBER, "--json"))
    assert await door.client(MEMBER) is not None
    printed(await polku("organisation", "deactivate", "kajaani", "--json"))
    assert await refusal(door, MEMBER) == "x-road-member"


async def test_what_is_wrong_is_said_in_one_line(polku: Callable[..., Any]) -> None:
    command = ("organisation", "xroad")
    refused(await polku(*command, "kajaani", "FI-TEST/MUN"), "member class, member code and subsystem")
    refused(await polku(*command, "kajaani", f"FI-TEST/COM/{AINO}/x"), "holds no personal identity code")
    refused(await polku(*command, "nowhere", MEMBER), "there is no organisation nowhere")
    refused(await polku(*command, "kajaani", MEMBER, "--scope", "everything"), "no scope everything")
    refused(await polku(*command, "kajaani", MEMBER, "--remove"), "this member is not registered for this organisation")
    printed(await polku(*command, "kajaani", MEMBER, "--json"))
    refused(await polku(*command, "kainuu-hyvinvointi", MEMBER), "Another organisation has this already")


def test_whatever_a_machine_may_ask_a_member_may_ask_or_it_is_said_why_not(app: FastAPI) -> None:
    """A new route for machines must not be forgotten at the other door."""
    here = {
        (method, route.path) for route in offered().routes if isinstance(route, APIRoute) for method in route.methods
    }
    missing = set()
    for route in app.router.routes:
        if isinstance(route, APIRoute) and lets_machines_in(route.dependant):
            missing |= {(method, route.path) for method in route.methods} - here
    elsewhere = ("/referral/api/v1/webhooks", "/referral/fhir/")  # nobody is called back; FHIR is another contract
    assert {path for _, path in missing if not path.startswith(elsewhere)} == set()
    assert ("POST", "/referral/api/v1/webhooks") in missing  # so this test sees what is not there
