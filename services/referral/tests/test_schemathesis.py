"""Schemathesis reads the OpenAPI document and asks the running service everything that it may be asked, and more.

Examples, edges of every schema, random requests, and walks along the document's links. Nothing may end in a 5xx, in a
status, header or body that the document does not tell, nor may a wrong request pass.
"""

import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from schemathesis.engine import Status

from polku_referral.settings import ReferralSettings
from polku_referral.webhooks import endpoints
from polku_web.docs import description
from polku_web.openapi import MACHINE, operations
from polku_web.testing.conformance import BUSY, ask, name_of, served
from polku_web.testing.documents import at

from .conftest import Sender
from .material import API, TOWN, body

WALKED = {
    ("receiveReferral", "getReferral"),
    ("receiveReferral", "withdrawReferral"),
    ("receiveReferral", "correctContact"),
    ("receiveReferral", "playTheProject"),
    ("listEvents", "listEvents"),
    ("receiveBatch", "getJob"),
    ("registerWebhook", "getWebhook"),
}
"""Links that every run must have gone: without them the walk has shown nothing."""
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SEED = 20261124
EXAMPLES, WALKS, STEPS = 10, 25, 30
ONLY_WALKS = {phase: {"enabled": False} for phase in ("examples", "coverage", "fuzzing")}


@pytest.fixture
def referral_settings(referral_settings: ReferralSettings) -> ReferralSettings:
    """One client stands for many here."""
    many = {"rate_requests": 100_000, "rate_at_once": 16, "webhook_allow": "127.0.0.1"}
    return referral_settings.model_copy(update=many)


@pytest.fixture(autouse=True)
def many_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is refused one more has none to walk on with."""
    monkeypatch.setattr(endpoints, "MAX_WEBHOOKS", 10_000)


@pytest.fixture
async def origin(app: FastAPI, unused_tcp_port: int) -> AsyncIterator[str]:
    async with served(app, unused_tcp_port) as address:
        yield address


def machine_part(app: FastAPI) -> dict[str, Any]:
    """The document with what a sender's machine may call, so that walks begin where a sender does."""
    document = description(app, "referral", "polku_referral")
    for path, method, operation in list(operations(document)):
        if operation["security"] and not any(MACHINE in way for way in operation["security"]):
            del document["paths"][path][method.lower()]
        elif method == "POST" and "{" in path:
            # Whatever is posted and leads on is a place to begin for Schemathesis, with ids that it invents.
            for answer in operation["responses"].values():
                answer.pop("links", None)
    document["paths"] = {path: item for path, item in document["paths"].items() if item}
    # A workbook cannot be made up out of a schema; test_import has its own.
    for content in (operation.get("requestBody", {}).get("content", {}) for _, _, operation in operations(document)):
        content.pop(SHEET, None)
    # With the rows' own schema it takes their ids for things that must be made before, and makes no batch.
    batch = document["paths"][f"{API}/referrals/batch"]["post"]["requestBody"]["content"]["application/json"]
    batch["schema"] = {"type": "array", "items": {"type": "object"}}
    return document


def alone(document: dict[str, Any], link: tuple[str, str]) -> dict[str, Any]:
    """The document with nothing but the two operations of a link, and the links between them."""
    for path, method, operation in list(operations(document)):
        if operation["operationId"] not in link:
            del document["paths"][path][method.lower()]
            continue
        for answer in operation["responses"].values():
            leads = {name: at(document, one["$ref"])["operationId"] for name, one in answer.get("links", {}).items()}
            answer["links"] = {name: answer["links"][name] for name, to in leads.items() if to in link}
    document["paths"] = {path: item for path, item in document["paths"].items() if item}
    return document


def sensible(context: Any, case: Any) -> Any:
    """A request of the right form mostly names codes that nobody knows: it gets ones that are known.

    Without this no referral would ever be taken in, and no link walked. What is wrong on purpose stays so.
    """
    del context
    name = name_of(case)
    if name == "listEvents" and case.query.get("wait") in range(26):
        case.query["wait"] = 0  # there is nothing to wait for
    if case.meta.generation.mode.is_negative:
        return case
    if name == "receiveBatch":
        case.media_type, case.body = "application/json", [body(f"S-{next(_numbers)}")]
        case.headers["prefer"] = "respond-async"
    if not isinstance(case.body, dict):
        return case
    if name == "receiveReferral":
        case.body |= body(f"S-{next(_numbers)}", reason__text=case.body["reason"].get("text", ""))
    elif name == "registerWebhook":
        case.body["url"] = f"https://asiat.example.fi/{next(_numbers)}"
    elif name == "playTheProject":
        case.body = PLAYED.get(case.path_parameters["command"], {})
    elif name in ("withdrawReferral", "requestWithdrawal"):
        case.body["reason"] = "situation-changed"
    return case


_numbers = itertools.count(1)
PLAYED = {
    "ask": {"text": "Onko kyydistä sovittu?"},
    "decline": {"reason": "no-capacity"},
    "waitlist": {"review_on": "2026-06-01"},
    "forward": {"partner": "kainuu-hyvinvointi"},
}


@schemathesis.serializer("application/x-ndjson")
def as_lines(context: Any, value: Any) -> bytes:
    del context
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture
async def config(origin: str, enrol: Callable[..., Any]) -> dict[str, Any]:
    """How a client that only tries asks this service."""
    sender: Sender = await enrol(TOWN, test=True)
    return {
        "seed": SEED,
        "base-url": origin,
        "headers": {"Authorization": sender.headers["authorization"]},
        "workers": 1,
        "generation": {"max-examples": EXAMPLES, "database": "none", "deterministic": True},
        "continue-on-failure": True,
        "operations": [
            # A batch is right although its rows are wrong: each of them hears so.
            {"include-operation-id": "receiveBatch", "checks": {"negative_data_rejection": {"enabled": False}}},
            # DELETE cancels a job; what was done of it stays to be read.
            {"include-operation-id-regex": "getJob.*", "checks": {"use_after_free": {"enabled": False}}},
        ],
        "phases": {
            "stateful": {
                "inference": {"algorithms": []},  # our own links, not guessed ones: they are what is to be shown
                "max-steps": STEPS,
                "generation": {"mode": "positive", "max-examples": WALKS},
            }
        },
        "checks": {
            "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", BUSY]},
            # Beyond its form a request meets rules: known codes, days, states. Those say 409, 422, 428.
            "positive_data_acceptance": {
                "expected-statuses": ["2xx", "400", "401", "403", "404", "409", "410", "422", "428", BUSY]
            },
            "missing_required_header": {"expected-statuses": ["400", "401", "403", "422", "428", BUSY]},
        },
    }


async def test_the_service_is_what_its_document_says(app: FastAPI, config: dict[str, Any]) -> None:
    told = await ask(machine_part(app), config, sensible)
    assert not told.failures, "\n".join(f"{name}\n{more}" for name, more in told.failures.items())
    for phase in ("examples", "coverage", "fuzzing", "stateful"):
        assert (told.phases[phase], told.cases[phase] > 0) == (Status.SUCCESS, True), phase
    walked = set(told.walked)
    for link in WALKED - walked:  # chance has led elsewhere: with nothing else to go the walk is sure to try it
        more = await ask(alone(machine_part(app), link), config | {"phases": config["phases"] | ONLY_WALKS}, sensible)
        assert not more.failures, "\n".join(f"{name}\n{told}" for name, told in more.failures.items())
        walked |= more.walked.keys()
    assert WALKED - walked == set()


async def test_a_document_that_says_something_else_is_found_out(app: FastAPI, config: dict[str, Any]) -> None:
    document = machine_part(app)
    document["paths"] = {path: item for path, item in document["paths"].items() if path.endswith("/referrals")}
    document["components"]["schemas"]["ReferralOut"]["properties"]["version"] = {"type": "string"}
    del document["paths"][f"{API}/referrals"]["get"]["responses"]["422"]
    phases = {"stateful": {"enabled": False}, "fuzzing": {"enabled": False}}
    told = await ask(document, config | {"phases": phases}, sensible)
    found = {name.split(": ")[1] for name in told.failures}
    assert found == {"response_schema_conformance", "status_code_conformance"}
