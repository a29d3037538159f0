"""A foreign client, SMART's Python client for FHIR R4, against a real server: send, read, search, take back."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.codeableconcept import CodeableConcept
from fhirclient.models.servicerequest import ServiceRequest
from fhirclient.models.task import Task
from fhirclient.server import FHIRNotFoundException, FHIRServer, FHIRUnauthorizedException
from requests import HTTPError

from polku_referral.fhir.codes import Own
from polku_referral.settings import ReferralSettings

from . import fhir_material, material
from .conftest import Sender, SignIn
from .fhir_material import FHIR, service_request, transaction
from .material import COORDINATOR, TOWN


@pytest.fixture
def listening() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken


@pytest.fixture
def referral_settings(
    referral_settings: ReferralSettings, listening: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> ReferralSettings:
    """The origin is where the server really listens, so that a client can follow every address in an answer."""
    origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
    monkeypatch.setattr(material, "ORIGIN", origin)
    monkeypatch.setattr(fhir_material, "OWN", Own(f"{origin}/fhir"))
    return referral_settings.model_copy(update={"base_url": origin})


@pytest.fixture
async def served(app: FastAPI, listening: socket.socket) -> AsyncIterator[str]:
    """The address of the FHIR door of the app, over a real socket."""
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning"))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    yield f"{app.state.settings.base_url}{FHIR}"
    server.should_exit = True
    await running


@pytest.fixture
def client(served: str, sender: Sender) -> FHIRServer:
    found: FHIRServer = FHIRClient({"app_id": "foreign", "api_base": served}).server
    found.session.headers["Authorization"] = sender.headers["authorization"]
    return found


async def off(call: Callable[..., Any], *given: Any) -> Any:
    """The client waits for its answers, so it does that elsewhere than the server runs."""
    return await asyncio.to_thread(call, *given)


async def test_from_the_statement_to_the_end(client: FHIRServer, sign_in: SignIn) -> None:
    await off(client.get_capability)
    assert client.capabilityStatement.fhirVersion == "4.0.1"

    order = ServiceRequest(service_request("A-1"))
    created = await off(order.create, client)
    assert created["resourceType"] == "ServiceRequest"
    assert await off(ServiceRequest(service_request("A-1")).create, client) == created

    task = await off(Task.read, created["id"], client)
    assert (task.status, task.focus.reference) == ("requested", f"ServiceRequest/{created['id']}")

    me = await sign_in(COORDINATOR)
    answer = await me.command(f"/referrals/{task.id}/accept", {}, 1)
    assert answer.status_code == 200
    task = await off(Task.read, task.id, client)
    assert (task.status, task.executionPeriod.as_json()) == ("accepted", {"start": "2026-03-02"})

    task.status = "cancelled"
    system = fhir_material.OWN.codes("withdraw-reason")
    task.statusReason = CodeableConcept({"coding": [{"system": system, "code": "person-declined"}]})
    told = Task(await off(task.update, client))
    assert told.meta.versionId == "3"
    assert told.statusReason.coding[0].code == "person-declined"


async def test_a_transaction_and_a_search_over_pages(client: FHIRServer) -> None:
    for number in range(5):
        sent = Bundle(transaction(f"A-{number}"))
        told = Bundle((await off(client.post_json, "", sent.as_json())).json())
        assert [entry.response.status for entry in told.entry] == ["201 Created"] * 5
    search = Task.where({"requester": f"Organization/{TOWN}", "status": "requested", "_count": "2"})
    pages = await off(lambda: list(search.perform_iter(client)))
    assert [len(page.entry) for page in pages] == [2, 2, 1]
    assert {page.total for page in pages} == {5}
    found = [entry.resource for page in pages for entry in page.entry]
    assert [task.identifier[0].value for task in found] == [f"A-{number}" for number in range(5)]


async def test_a_no_is_an_outcome(client: FHIRServer) -> None:
    with pytest.raises(HTTPError) as refused:
        await off(ServiceRequest(service_request(programme="nowhere")).create, client)
    (issue,) = refused.value.response.json()["issue"]
    assert issue["expression"] == ["ServiceRequest.category[0].coding[0].code"]
    line = "ServiceRequest.category[0].coding[0].code: Arvo ei ole sallittujen joukossa. (urn:trace:"
    assert issue["diagnostics"].startswith(line)
    with pytest.raises(FHIRNotFoundException):
        await off(Task.read, "nobodys", client)
    del client.session.headers["Authorization"]
    with pytest.raises(FHIRUnauthorizedException):
        await off(Task.read, "nobodys", client)
