"""Every door as tests go through it: what one referral is there, and what the door says of it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import FastAPI

from polku_referral.settings import ReferralSettings
from polku_referral.xroad.listener import create_listener
from polku_referral.xroad.members import Members
from polku_runtime.effects import Effects

from .conftest import ALL_SCOPES, Sender
from .fhir_material import FHIR, service_request
from .material import API, TOWN, body

MEMBER = "FI-TEST/MUN/1234567-8/Tyollisyys"
REFERRALS, BATCH = f"{API}/referrals", f"{API}/referrals/batch"
JSON, LINES, FHIR_JSON = "application/json", "application/x-ndjson", "application/fhir+json"
Built = Callable[..., dict[str, Any]]


class Door(NamedTuple):
    """build: the sender's referral as this door's body says it. around: what stands before and after one."""

    address: str
    media: str
    build: Built = body
    around: tuple[bytes, bytes] = (b"", b"")


DOORS = {
    "json": Door(REFERRALS, JSON),
    "batch": Door(BATCH, JSON, around=(b"[", b"]")),
    "lines": Door(BATCH, LINES, around=(b"", b"\n")),
    "fhir": Door(f"{FHIR}/ServiceRequest", FHIR_JSON, build=service_request),
    "x-road": Door(REFERRALS, JSON),
}
OURS = [door for door in DOORS if door != "fhir"]
"""Doors whose places are ours."""


class Told(NamedTuple):
    """What a door said: of the only row, when it is a batch that was read."""

    status: int
    code: str
    faults: frozenset[tuple[str, str]]
    """Place and code of each; FHIR's places are its own (test_fhir_refusals)."""


@pytest.fixture
async def member(
    app: FastAPI, referral_settings: ReferralSettings, effects: Effects
) -> AsyncIterator[httpx.AsyncClient]:
    """A member of X-Road behind its security server, on the listener over the same database."""
    listener = create_listener(referral_settings, effects=effects)
    await Members(app.state.database, effects).register(MEMBER, TOWN, ALL_SCOPES, test=False)
    async with (
        listener.router.lifespan_context(listener),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(listener),
            base_url=referral_settings.base_url,
            headers={"x-road-client": MEMBER},
        ) as http,
    ):
        yield http


Send = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def send(sender: Sender, member: httpx.AsyncClient) -> Send:
    """`await send("fhir", content)` → the answer of that door to these bytes."""

    async def sent(name: str, content: bytes, **headers: str) -> httpx.Response:
        door = DOORS[name]
        http, own = (member, {}) if name == "x-road" else (sender.http, sender.headers)
        said = {"content-type": door.media, **own, **{key.replace("_", "-"): value for key, value in headers.items()}}
        return await http.post(door.address, content=content, headers=said)

    return sent


def of(name: str, **changes: Any) -> bytes:
    """A referral with these changes, as this door takes it."""
    return framed(name, json.dumps(DOORS[name].build(**changes), ensure_ascii=False).encode())


def framed(name: str, referral: bytes) -> bytes:
    before, after = DOORS[name].around
    return before + referral + after


def told(answer: httpx.Response) -> Told:
    said = answer.json()
    if said.get("resourceType") == "OperationOutcome":
        codings = [[one["code"] for one in issue["details"]["coding"]] for issue in said["issue"]]
        return Told(answer.status_code, codings[0][0], frozenset(("", codes[1]) for codes in codings if codes[1:]))
    status = answer.status_code
    if "results" in said:
        (row,) = said["results"]
        status, said = row["http_status"], row.get("problem", {})
    faults = {(error["pointer"], error["code"]) for error in said.get("errors", ())}
    return Told(status, said.get("code", ""), frozenset(faults))
