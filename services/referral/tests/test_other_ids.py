"""Ids of others, and ids that are none: at every address for machines they are as unknown as nothing."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from polku_web.docs import description
from polku_web.openapi import MACHINE, operations

from .conftest import Sender
from .material import API, COUNTY, NOBODY, TOWN, body

STRANGE = ("0", "-1", "%2e%2e", "..%2f..%2fcodes", "%24ne", "a.b", "x" * 500, "%7b%22%24gt%22%3a%22%22%7d", "NaN", "ä")
CHOSEN = {"command": "ask"}
"""Parameters of a path that name no thing of somebody's."""
UNMADE = ("deliveries/{delivery}/replay",)
"""Ends of addresses whose thing only a worker makes: there is none for the owner either."""


@pytest.fixture
async def theirs(enrol: Callable[..., Any]) -> tuple[Sender, dict[str, str]]:
    """A machine of TOWN that only tries, and one thing of each kind that it has, by the name of the parameter."""
    town: Sender = await enrol(TOWN, test=True)
    made = {"referral_id": (await town.sent())["id"], "delivery": NOBODY}
    for name, address, sent in (
        ("webhook_id", "/webhooks", {"url": "https://asiat.example.fi/polku"}),
        ("job_id", "/referrals/batch", [body("B-1")]),
    ):
        headers = {**town.headers, "prefer": "respond-async"}
        answer = await town.http.post(f"{API}{address}", json=sent, headers=headers)
        assert answer.status_code in (201, 202), answer.text
        made[name] = answer.json()["id"]
    return town, made


def machine_routes(app: FastAPI) -> list[tuple[str, str, Any]]:
    """Method, path and an example of the body of every operation that lets machines in and names a thing."""
    return [
        (method, path, next(iter(operation.get("requestBody", {}).get("content", {}).values()), {}).get("example"))
        for path, method, operation in operations(description(app, "referral", "polku_referral"))
        if "{" in path and any(MACHINE in way for way in operation["security"])
    ]


async def asked(who: Sender, method: str, path: str, example: Any) -> httpx.Response:
    content = {} if example is None else {"json": example}
    return await who.http.request(method, path, headers={**who.headers, "if-match": '"1"'}, **content)


async def test_other_ids_are_unknown_everywhere(
    app: FastAPI, theirs: tuple[Sender, dict[str, str]], enrol: Callable[..., Any]
) -> None:
    """The matrix is made of the routes: a new one is in it at once, and fails when its thing is not made above."""
    _, made = theirs
    county: Sender = await enrol(COUNTY, test=True)
    routes = machine_routes(app)
    assert len(routes) >= 15
    for method, path, example in routes:
        for ids in (made, *(dict.fromkeys(made, one) for one in (NOBODY, *STRANGE))):
            address = path.format(**{**ids, **CHOSEN})
            answer = await asked(county, method, address, example)
            assert (answer.status_code, answer.json()["code"]) == (404, "not-found"), (method, address, answer.text)
    tried = await app.state.database["audit"].distinct("about", {"action": "denied", "by": county.client_id})
    assert set(tried) == {*made.values(), "-"}, "the trail tells of each try, and never what somebody typed"


async def test_the_owner_finds_what_is_unknown_to_others(app: FastAPI, theirs: tuple[Sender, dict[str, str]]) -> None:
    """Else the matrix would show nothing."""
    town, made = theirs
    routes = sorted(machine_routes(app), key=lambda route: route[0] == "DELETE")
    for method, path, example in routes:
        answer = await asked(town, method, path.format(**{**made, **CHOSEN}), example)
        assert (answer.status_code != 404) or path.endswith(UNMADE), (method, path, answer.text)
