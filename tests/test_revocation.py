"""A machine that is revoked at the door is refused by every service within five seconds, over real Kafka."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey

from polku_embedded.parts import PARTS
from polku_referral.admin.admin import Admin
from polku_referral.door.tokens import ASSERTION_TYPE
from polku_runtime.access import Principal
from polku_runtime.access.clients import FRESH_S, find_client
from polku_runtime.mongo import Client

from .installation import until

PROMISED_S = 5.0
PATIENCE_S = 120
"""Four workers that join their groups on a busy machine; nothing is measured then."""
WHERE = ("referral", "pathway", "activities", "indicators")


@dataclass
class Machine:
    client_id: str
    token: str


@dataclass
class Running:
    """All four services in this process: apps over their own databases, workers on Kafka."""

    apps: dict[str, FastAPI]

    @property
    def admin(self) -> Admin:
        found: Admin = self.apps["referral"].state.admin
        return found

    async def machine(self, organisation_id: str, *, test: bool) -> Machine:
        """Registered, heard of everywhere, and with a token."""
        said: dict[str, Any] = {"scopes": ("referrals:read",), "test": test}
        made, private = await self.admin.add_client(None, organisation_id, said, None)
        assert private is not None
        for app in self.apps.values():
            await until(lambda app=app: find_client(app.state.database, made.id), seconds=PATIENCE_S)
        machine = Machine(made.id, "")
        await self.sign_on(machine, private)
        return machine

    async def sign_on(self, machine: Machine, private: dict[str, Any]) -> None:
        app, now = self.apps["referral"], int(time.time())
        issuer = app.state.settings.base_url
        claims = {
            "iss": machine.client_id, "sub": machine.client_id, "aud": issuer, "exp": now + 60,
            "jti": secrets.token_hex(8),
        }  # fmt: skip
        signed = jwt.encode({"alg": "ES256"}, claims, ECKey.import_key(private))
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=issuer) as http:
            answer = await http.post("/referral/oauth/token", data=form)
        machine.token = answer.json()["access_token"]

    async def known(self, machine: Machine) -> dict[str, Principal | None]:
        """What each service's door makes of the machine's token."""
        return {name: await app.state.door.client(machine.token) for name, app in self.apps.items()}

    async def seconds_until(self, machine: Machine, *, refused: bool) -> float:
        """How long it takes until all four refuse, or take, the token."""
        began = time.monotonic()

        async def agree() -> bool:
            return {found is None for found in (await self.known(machine)).values()} == {refused}

        await until(agree)
        return time.monotonic() - began


@pytest.fixture
async def running(kafka_environment: dict[str, object], mongo_client: Client, tmp_path: Path) -> AsyncIterator[Running]:
    del mongo_client  # it drops the databases afterwards
    (tmp_path / "master.key").write_bytes(secrets.token_bytes(96))
    environment = {**kafka_environment, "master_key_file": tmp_path / "master.key", "identity_codes": "artificial"}
    settings = {name: PARTS[name].settings.model_validate(environment) for name in WHERE}
    apps = {name: PARTS[name].create_api(settings[name]) for name in WHERE}
    workers = [PARTS[name].create_worker(settings[name]) for name in WHERE]
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        for app in apps.values():
            await stack.enter_async_context(app.router.lifespan_context(app))
        for app in apps.values():
            # Where the others fetch the published keys over HTTP: the only thing that is not theirs here.
            app.state.door = replace(app.state.door, verifier=apps["referral"].state.door.verifier)
        tasks = [asyncio.create_task(worker.run(stop)) for worker in workers]
        yield Running(apps)
        stop.set()
        await asyncio.gather(*tasks)


async def test_revoked_everywhere_within_five_seconds(running: Running) -> None:
    owner = await running.admin.add_organisation(None, {"code": "kajaani", "name": "Kajaani", "kind": "other"})
    machine = await running.machine(owner.id, test=False)
    trying = await running.machine(owner.id, test=True)  # what is made to try is skipped, but not who may come in
    bystander = await running.machine(owner.id, test=False)
    for one in (machine, trying, bystander):
        assert None not in (await running.known(one)).values()

    taken: dict[str, float] = {}
    for name, one in (("revoked", machine), ("revoked, test", trying)):
        await running.admin.revoke(None, one.client_id, None)
        taken[name] = await running.seconds_until(one, refused=True)
    assert None not in (await running.known(bystander)).values()

    # Restored: the token of before stays void.
    await running.admin.restore(None, machine.client_id, None)
    await until(lambda: active_everywhere(running, machine))
    await asyncio.sleep(FRESH_S + 0.1)  # the doors' own memory; nothing tells when it is over
    assert set((await running.known(machine)).values()) == {None}

    await running.admin.open_organisation(None, owner.id, None, active=False)
    taken["organisation deactivated"] = await running.seconds_until(bystander, refused=True)
    print("seconds until all four services refuse:", {name: round(seconds, 2) for name, seconds in taken.items()})
    assert max(taken.values()) < PROMISED_S, taken


async def active_everywhere(running: Running, machine: Machine) -> bool:
    found = [await find_client(app.state.database, machine.client_id) for app in running.apps.values()]
    return all(one is not None and one.active for one in found)


async def test_a_service_that_has_not_heard_of_the_client_lets_a_valid_token_pass(running: Running) -> None:
    owner = await running.admin.add_organisation(None, {"code": "kajaani", "name": "Kajaani", "kind": "other"})
    machine = await running.machine(owner.id, test=False)
    database = running.apps["indicators"].state.database
    await database["clients"].delete_many({})
    await asyncio.sleep(FRESH_S + 0.1)
    assert (await running.known(machine))["indicators"] is not None
