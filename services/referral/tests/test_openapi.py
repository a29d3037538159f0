"""The OpenAPI document: all of the API is in it, whole, and what it shows holds."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from polku_referral.model.referral import SENDER_COMMANDS
from polku_web.docs import description
from polku_web.openapi import MACHINE, operations
from polku_web.problems import MEDIA_TYPE, catalogue
from polku_web.testing.documents import at, by_id, example_of, faults_of, problems_of

from .conftest import Sender

GUIDE = Path(__file__).parents[3] / "docs" / "integrating.md"


@pytest.fixture
def document(app: FastAPI) -> dict[str, Any]:
    return description(app, "referral", "polku_referral")


def test_the_document_is_whole(app: FastAPI) -> None:
    """A new route fails here until `data/openapi.yaml` tells of it."""
    assert faults_of(app, "referral") == []


def test_examples_offer_what_their_state_allows(document: dict[str, Any]) -> None:
    shown = [
        content["example"]
        for _, _, operation in operations(document)
        if any(MACHINE in way for way in operation["security"])
        for answer in operation["responses"].values()
        for content in answer.get("content", {}).values()
        if "case_code" in content.get("example", {}) and "state" in content["example"]
    ]
    assert len(shown) > 5
    assert [one["commands"] for one in shown] == [list(SENDER_COMMANDS[one["state"]]) for one in shown]
    assert [set(one["links"]) for one in shown] == [{"self", *one["commands"]} for one in shown]


async def test_each_problem_has_its_page(document: dict[str, Any], browser: Callable[..., httpx.AsyncClient]) -> None:
    shown = {
        code for _, _, operation in operations(document) for codes in problems_of(operation).values() for code in codes
    }
    http = browser()
    for code in shown:
        example = document["components"]["examples"][code]["value"]
        assert (await http.get(example["type"])).status_code == 200
        assert example["status"] == catalogue()[code].status


def test_the_guide_tells_what_to_do_about_each_problem(document: dict[str, Any]) -> None:
    """Its table has every code that a machine may meet, under its status, and no other."""
    met = {
        (int(status), code)
        for _, _, operation in operations(document)
        if any(MACHINE in way for way in operation["security"])
        for status, codes in problems_of(operation).items()
        for code in codes
    }
    of_people = {(403, "csrf"), (403, "cross-site")}
    rows = re.findall(r"^\| ([0-9, ]+) \| (.+?) \|", GUIDE.read_text("utf-8"), re.MULTILINE)
    told = {code for _, codes in rows for code in re.findall("`([a-z-]+)`", codes)}
    assert told == {code for _, code in met - of_people}
    statuses = {int(status) for named, _ in rows for status in named.split(", ")}
    assert {status for status, _ in met} <= statuses


def test_who_may_call_is_told(document: dict[str, Any]) -> None:
    named = by_id(document)
    assert named["receiveReferral"]["security"] == [{"clientCredentials": ["referrals:write"]}]
    assert named["acceptReferral"]["security"] == [{"session": [], "csrf": []}]
    assert named["getReferral"]["security"] == [{"clientCredentials": ["referrals:read"]}, {"session": []}]
    assert named["getToken"]["security"] == []
    flow = document["components"]["securitySchemes"]["clientCredentials"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == "/referral/oauth/token"
    used = {scope for op in named.values() for way in op["security"] for scope in way.get("clientCredentials", ())}
    assert used <= flow["scopes"].keys()


def test_versions_and_limits_are_told(document: dict[str, Any]) -> None:
    for _, _, operation in operations(document):
        for status in ("429", "503"):
            if status in operation["responses"]:
                assert "Retry-After" in operation["responses"][status]["headers"]
    named = by_id(document)
    assert named["receiveReferral"]["responses"]["201"]["headers"].keys() == {
        "RateLimit", "RateLimit-Policy", "Location", "ETag",
    }  # fmt: skip
    assert {"withdrawReferral", "getReferral"} <= named["receiveReferral"]["responses"]["201"]["links"].keys()


async def test_the_example_is_taken_in(document: dict[str, Any], sender: Sender) -> None:
    """The running service agrees with the example of a referral; the answer has what its own example has."""
    posted = by_id(document)["receiveReferral"]
    answer = await sender.post(example_of(posted))
    assert answer.status_code == 201
    example = example_of(posted, 201)
    assert example.keys() <= answer.json().keys()
    assert {name: answer.json()[name] for name in ("state", "version", "commands", "answer_due")} == {
        name: example[name] for name in ("state", "version", "commands", "answer_due")
    }


def test_what_a_sender_says_and_hears_is_explained(document: dict[str, Any]) -> None:
    """Every parameter and field, where a generated client shows it to whoever writes the next line."""
    senders = [
        operation
        for _, _, operation in operations(document)
        if operation["tags"][0] in ("referrals", "sandbox") and any(MACHINE in way for way in operation["security"])
    ]
    contents = [
        content["schema"]
        for operation in senders
        for part in (operation.get("requestBody", {}), *operation["responses"].values())
        for media, content in part.get("content", {}).items()
        if media == "application/json"
    ]
    unexplained = {
        f"{name}.{field}"
        for schema in contents
        for name, part in objects_of(schema, document, set())
        for field, about in part["properties"].items()
        if "$ref" not in about and "description" not in about
    }
    parameters = [
        at(document, one["$ref"]) if "$ref" in one else one for operation in senders for one in operation["parameters"]
    ]
    assert len(senders) > 6
    assert unexplained == set()
    assert {one["name"] for one in parameters if not one.get("description")} == set()


def test_a_generated_client_is_usable(document: dict[str, Any]) -> None:
    shown = document["components"]["schemas"]["ReferralOut"]["properties"]
    assert "enum" not in shown["state"]  # one that is added must break nobody
    assert "withdrawal-requested" in shown["state"]["x-extensible-enum"]
    assert "title" not in shown["state"]
    named = by_id(document)
    lost = named["withdrawReferral"]["responses"]["409"]["content"][MEDIA_TYPE]["schema"]
    assert lost["allOf"][1]["properties"]["present"] == {"$ref": "#/components/schemas/ReferralOut"}
    state = next(one for one in named["listReferrals"]["parameters"] if one["name"] == "state")
    assert (state["schema"]["type"], "late" in state["schema"]["enum"]) == ("string", True)
    form = named["getToken"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    assert form == {"$ref": "#/components/schemas/GetTokenForm"}


def test_what_is_left_out_is_not_sent_by_default(document: dict[str, Any]) -> None:
    """A client made from the document sends its defaults: in a change they would undo what nobody meant to."""
    for name in ("CorrectContactIn", "OrganisationChange"):
        changes = document["components"]["schemas"][name]
        assert [field for field, part in changes["properties"].items() if "default" in part] == []
        assert "required" not in changes


def test_a_person_has_a_shape(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["PersonOut"]["required"]) == {"person_id", "identity", "contact", "notes"}
    for name in ("IdentityOut", "ContactOut", "NotesOut", "ReasonOut"):
        assert schemas[name]["properties"]
        assert "required" not in schemas[name]  # what is erased is empty


def test_no_body_takes_more_than_it_names(document: dict[str, Any]) -> None:
    """A field that is misspelt, or not for the sender to set, is never passed over in silence."""
    bodies = [
        content["schema"]
        for _, _, operation in operations(document)
        for media, content in operation.get("requestBody", {}).get("content", {}).items()
        if media == "application/json"
    ]
    lax = {
        name
        for schema in bodies
        for name, part in objects_of(schema, document, set())
        if part.get("additionalProperties") is not False
    }
    assert len(bodies) > 15
    assert lax == set()


def objects_of(schema: Any, document: dict[str, Any], seen: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object with named members within a schema, with its title."""
    if isinstance(schema, list):
        for one in schema:
            yield from objects_of(one, document, seen)
    elif isinstance(schema, dict):
        if "$ref" in schema and schema["$ref"] not in seen:
            seen.add(schema["$ref"])
            yield from objects_of(at(document, schema["$ref"]), document, seen)
        if "properties" in schema:
            yield schema.get("title", "?"), schema
        for part in schema.values():
            yield from objects_of(part, document, seen)
