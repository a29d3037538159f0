"""The CapabilityStatement is true: what it names works, and nothing else does."""

from typing import Any

from .conftest import Sender
from .fhir_asking import ask, found, reason
from .fhir_material import OWN, service_request, transaction
from .material import TOWN

SEARCHED = {
    "_id": "{id}",
    "_lastUpdated": "2026-03-02",
    "identifier": f"{OWN.referrals(TOWN)}|A-1",
    "requester": f"Organization/{TOWN}",
    "status": "{status}",
}
WITHOUT = {"create": ("POST", ""), "read": ("GET", "/{id}"), "update": ("PUT", "/{id}"), "search-type": ("GET", "")} | {
    "delete": ("DELETE", "/{id}"),
    "patch": ("PATCH", "/{id}"),
    "vread": ("GET", "/{id}/_history/1"),
    "history-instance": ("GET", "/{id}/_history"),
    "history-type": ("GET", "/_history"),
}
"""Every interaction that FHIR knows with a type of resource, as a request."""


async def stated(sender: Sender) -> dict[str, Any]:
    (rest,) = (await ask(sender, "GET", "/metadata")).json()["rest"]
    return {one["type"]: one for one in rest["resource"]} | {"": rest}


async def test_what_is_named_works(sender: Sender) -> None:
    told = await stated(sender)
    assert [one["code"] for one in told[""]["interaction"]] == ["transaction"]
    assert (await ask(sender, "POST", "", transaction("A-0"))).status_code == 200
    order = (await ask(sender, "POST", "/ServiceRequest", service_request("A-1"))).json()
    done: dict[str, set[str]] = {"ServiceRequest": {"create"}, "Task": set()}
    for kind, status in (("ServiceRequest", "active"), ("Task", "requested")):
        assert (await ask(sender, "GET", f"/{kind}/{order['id']}")).status_code == 200
        for name in (parameter["name"] for parameter in told[kind]["searchParam"]):
            value = SEARCHED[name].format(id=order["id"], status=status)
            assert "A-1" in await found(sender, f"{name}={value}", kind), (kind, name)
        done[kind] |= {"read", "search-type"}
    task = (await ask(sender, "GET", f"/Task/{order['id']}")).json()
    sent = {**task, "status": "cancelled", "statusReason": reason("situation-changed")}
    assert (await ask(sender, "PUT", f"/Task/{order['id']}", sent)).status_code == 200
    done["Task"] |= {"update"}
    for kind, interactions in done.items():
        assert {one["code"] for one in told[kind]["interaction"]} == interactions
    (operation,) = told["ServiceRequest"]["operation"]
    checked = await ask(sender, "POST", f"/ServiceRequest/${operation['name']}", service_request("A-2"))
    assert checked.status_code == 200


async def test_nothing_else_does(sender: Sender) -> None:
    told = await stated(sender)
    order = (await ask(sender, "POST", "/ServiceRequest", service_request())).json()
    for kind in ("ServiceRequest", "Task", "Patient", "Organization", "Consent"):
        named = {one["code"] for one in told.get(kind, {"interaction": []})["interaction"]}
        for interaction, (method, path) in WITHOUT.items():
            if interaction in named:
                continue
            sent = {"resourceType": kind, "id": order["id"]} if method in ("POST", "PUT", "PATCH") else None
            answer = await ask(sender, method, f"/{kind}{path.format(id=order['id'])}", sent)
            assert answer.status_code in (404, 405), (kind, interaction, answer.text)
            assert answer.json()["resourceType"] == "OperationOutcome"
    for method, path in (("GET", ""), ("GET", "/_history"), ("POST", "/Task/$validate"), ("POST", "/$process-message")):
        assert (await ask(sender, method, path, {} if method == "POST" else None)).status_code in (404, 405), path
