"""Who may come in: the member that the header names, and nobody by any other header or on any other listener."""

from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from polku_referral.model.agreements import Agreement
from polku_referral.model.directory import Organisation, announce_organisation
from polku_referral.xroad.members import Members
from polku_runtime.effects import system_effects
from polku_web.answers import answer
from polku_web.edge import Edge
from polku_web.formats import local_day
from polku_web.limits import Limiter

from ..client.material import referral
from ..serving import SCOPES
from .conftest import COUNTY, NOBODY, REFERRALS, TOWN, Road, as_json, code_of


def test_a_member_that_nobody_registered(road: Road) -> None:
    answer = road.call("GET", REFERRALS, NOBODY)
    assert (answer.status_code, code_of(answer)) == (403, "x-road-member")
    assert "x-road-error" not in answer.headers  # it is ours, not X-Road's
    assert road.rows("audit", action="x-road-refused")[-1]["detail"] == NOBODY


@pytest.mark.parametrize(
    "name",
    [
        TOWN.removesuffix("/Tyollisyys"),  # the member is not its subsystem
        TOWN.replace("FI-TEST", "FI"),  # nor the one of another instance
        TOWN.replace("MUN", "GOV"),
        TOWN.lower(),
        f"{TOWN}2",
    ],
)
def test_a_name_that_is_nearly_a_members(road: Road, name: str) -> None:
    with road.straight(road.security_server, headers={"x-road-client": name}) as http:
        answer = http.get(REFERRALS)
    assert (answer.status_code, code_of(answer)) == (403, "x-road-member")


def joined(road: Road, name: str, **said: Any) -> None:
    """A member of a new organisation of which this is said."""
    directory = road.polku.app.state.directory
    fresh = Organisation(id=directory.effects.new_id(), code=name.lower(), name=name, kind="employment-area", **said)
    road.polku.do(directory.organisations.add(*announce_organisation(fresh)))
    members = Members(directory.database, directory.effects)
    road.polku.do(members.register(f"FI-TEST/MUN/3456789-0/{name}", fresh.id, SCOPES, test=False))


def test_what_the_organisation_may_holds_here_too(road: Road) -> None:
    today = local_day(system_effects().now())
    over = Agreement(id="a-1", programmes=("kainuu",), starts_on=date(2026, 1, 1), ends_on=today - timedelta(days=1))
    joined(road, "Gone", valid_until=today - timedelta(days=1))
    joined(road, "Coming", valid_from=today + timedelta(days=2))
    joined(road, "Ended", agreements=(over,))
    heard = {}
    for name in ("Gone", "Coming", "Ended"):
        headers = {"x-road-client": f"FI-TEST/MUN/3456789-0/{name}"}
        with road.straight(road.security_server, headers=headers) as http:
            answer = http.post(REFERRALS, json=as_json(f"XR-{name}"))
        heard[name] = (answer.status_code, code_of(answer))
    assert heard == {"Gone": (403, "x-road-member"), "Coming": (403, "x-road-member"), "Ended": (422, "not-agreed")}


@pytest.mark.parametrize(
    "named",
    [
        [],
        [TOWN, TOWN],
        [TOWN, COUNTY],
        ["FI-TEST/MUN/1234567-8"[:-2] + "/a/b/c"],
        ["FI-TEST/MUN"],
        [TOWN.replace("/", "%2F")],
        [TOWN + "/"],
        ["FI-TEST/MUN/1234567-8/Ty%C3"],
        ["FI-TEST/MUN/1234567-8/Työllisyys"],
        ["FI-TEST/MUN/1234567-8/a_b"],
        [""],
        [f"{TOWN}{'a' * 20_000}"],
        [f"{TOWN}, {COUNTY}"],
    ],
)
def test_a_header_that_names_nobody_or_two(road: Road, named: list[str]) -> None:
    """By whoever holds the security server's certificate, but does not keep to the protocol."""
    headers = [(b"x-road-client", one.encode()) for one in named]
    with road.straight(road.security_server) as http:
        answer = http.get(REFERRALS, headers=headers)
    assert (answer.status_code, code_of(answer)) == (400, "x-road-client")


def test_percent_encoded_parts_mean_the_same_member(road: Road) -> None:
    assert road.call("GET", REFERRALS, TOWN.replace("-", "%2D")).status_code == 200


def test_nobody_else_s_headers_are_believed(road: Road) -> None:
    """The ordinary listener: they open nothing, change nothing, and reach nobody."""
    headers = {"x-road-client": TOWN, "x-road-id": "1", "x-road-userid": "FI1", "x-road-issue": "1"}
    assert httpx.get(f"{road.polku.address}{REFERRALS}", headers=headers).status_code == 401
    machine, before = road.polku.machine(), road.rows("audit", action="x-road")
    with road.polku.client(machine) as client, httpx.Client(base_url=road.polku.address) as http:
        told = client.push(referral("XR-ordinary"))
        token = {"authorization": f"Bearer {client.connection.token()}"}
        found = http.get(f"{REFERRALS}/{told.id}", headers={**headers, **token})
        assert found.status_code == 200  # it is who its token says, not who the header claims
        gone = http.post(
            f"{REFERRALS}/{told.id}/withdraw",
            json={"reason": "sent-in-error"},
            headers={**headers, **token, "if-match": '"1"'},
        )
        assert gone.status_code == 200
    assert road.rows("audit", action="x-road") == before


async def test_at_every_edge_such_headers_are_taken_off() -> None:
    """A service never gets to see them, so none can come to believe them."""
    seen: list[tuple[bytes, bytes]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    outer = FastAPI()
    outer.state.limiter = Limiter(1000, 1, 1)
    edge = Edge(app, service="x", language="fi", secure=False, answer=answer, observe=lambda *_: None)

    async def within(scope: Any, receive: Any, send: Any) -> None:
        await edge({**scope, "app": outer}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(within), base_url="http://x") as http:
        said = await http.get("/", headers={"X-Road-Client": TOWN, "x-road-represented-party": "a", "x-other": "kept"})
    assert said.status_code == 204
    names = {name for name, _ in seen}
    assert b"x-other" in names
    assert not any(name.startswith(b"x-road") for name in names)
