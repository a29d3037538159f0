"""Asking the FHIR door over HTTP, and reading what it answers."""

import json
from typing import Any

import httpx

from .conftest import Sender
from .fhir_material import FHIR, JSON, OWN, service_request
from .material import ORIGIN, leaks


async def ask(sender: Sender, method: str, path: str, sent: Any = None, **headers: str) -> httpx.Response:
    """Bytes are sent as they are, everything else as FHIR's JSON."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    content = {} if sent is None else {"content": sent if isinstance(sent, bytes) else json.dumps(sent).encode()}
    given = {"content-type": JSON} if content else {}
    answer = await sender.http.request(method, f"{FHIR}{path}", headers={**given, **sender.headers, **more}, **content)  # type: ignore[arg-type]
    assert answer.headers["content-type"] == JSON, answer.text
    assert leaks(answer.text) == []
    return answer


def codes_of(answer: httpx.Response) -> list[tuple[str, ...]]:
    """Per issue: the problem's code, and the field's if there is one."""
    assert answer.json()["resourceType"] == "OperationOutcome", answer.text
    return [tuple(coding["code"] for coding in issue["details"]["coding"]) for issue in answer.json()["issue"]]


def raw(**changes: Any) -> bytes:
    return json.dumps(service_request(**changes), ensure_ascii=False).encode()


def reason(code: str, text: str | None = None) -> dict[str, Any]:
    told = {"coding": [{"system": OWN.codes("withdraw-reason"), "code": code}]}
    return told | ({"text": text} if text else {})


async def task_of(sender: Sender, external_id: str = "A-1") -> tuple[str, dict[str, Any]]:
    at = f"/Task/{(await sender.sent(external_id))['id']}"
    return at, (await ask(sender, "GET", at)).json()


async def found(sender: Sender, query: str, kind: str = "Task") -> list[str]:
    """External ids in the order in which they were found, over all pages."""
    address, ids, total = f"/{kind}?{query}", list[str](), None
    while address:
        answer = await ask(sender, "GET", address)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        ids += [entry["resource"]["identifier"][0]["value"] for entry in told.get("entry", [])]
        links = {link["relation"]: link["url"] for link in told["link"]}
        assert links["self"].startswith(f"{ORIGIN}{FHIR}/{kind}")
        address = links.get("next", "").removeprefix(f"{ORIGIN}{FHIR}")
        total = told.get("total", total)
    assert total in (len(ids), None)
    return ids
