"""What the services' tests rest on: a document's faults are found, and a form is read as a browser would."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI

from polku_web.docs import description
from polku_web.openapi import operations
from polku_web.testing import fields_of, text_of
from polku_web.testing.documents import by_id, document_faults, faults_of

PAGE = """
<form action="/other"><input name="not" value="this"></form>
<form method="post" action="/here">
  <input type="hidden" name="csrf" value="0a"><input name="title" value="&lt;Työ&gt;">
  <input type="checkbox" name="who" value="1" checked><input type="checkbox" name="who" value="2">
  <input type="radio" name="group" value="yes"><input type="radio" name="group" value="no" checked>
  <select name="first"><option value="a">A</option><option value="b">B</option></select>
  <select name="chosen"><option value="a">A</option><option value="b" selected>B</option></select>
  <textarea name="text">Yksi &amp; &lt;b&gt;</textarea>
</form>
<p><strong>Huom</strong>: <a href="/">takaisin</a></p>
"""


def test_a_form_is_read_as_a_browser_would_send_it() -> None:
    assert fields_of(PAGE, "/here") == {
        "csrf": "0a", "title": "<Työ>", "who": ["1"], "group": "no", "first": "a", "chosen": "b",
        "text": "Yksi & <b>",
    }  # fmt: skip
    assert fields_of('<form action="/a"></form>', "/a") == {}
    with pytest.raises(AssertionError, match="no form leads to /nowhere"):
        fields_of(PAGE, "/nowhere")
    assert text_of("<p><strong>Huom</strong>: \n<a>takaisin</a></p>") == " Huom: takaisin "


def test_a_service_that_tells_nothing_hears_what_is_missing(demo: FastAPI) -> None:
    faults = faults_of(demo, "demo", "polku_web")
    assert "POST /things: not told" in faults
    assert "POST /demo/api/v1/things: no example of the request" in faults
    assert "GET /demo/api/v1/things: no example of 200" in faults


def answer(operation: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = operation["responses"]["200"]["content"]["application/json"]
    return found


GET_THING: dict[str, Any] = {
    "operationId": "getThing",
    "summary": "One thing as it is now",
    "tags": ["things"],
    "parameters": [{"name": "thing_id", "in": "path"}],
    "responses": {
        "200": {
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}, "example": {"id": "a"}}}
        }
    },
}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda it: it.update(summary="Get"), "summary"),
        (lambda it: it.pop("tags"), "tags"),
        (lambda it: answer(it).pop("example"), "no example of 200"),
        (lambda it: answer(it).update(example={"id": 1}), "example: 1 is not"),
        (lambda it: answer(it).update(example={"id": "a", "x": 1}), "example: Unevaluated"),
        (lambda it: it["responses"].pop("500"), "problem internal is missing"),
        (lambda it: it.update(operationId="get_thing"), "get_thing: no name for a client"),
        (lambda it: it.update(parameters=[]), "link getThing: no thing_id"),
        (lambda it: it.update(parameters=[*it["parameters"], {"$ref": "#/components/parameters/IfMatch"}]), "If-Match"),
        (lambda it: answer(it).update(schema={"$ref": "#/components/schemas/Gone"}), "leads nowhere"),
    ],
)  # fmt: skip
def test_each_fault_of_a_document_is_found(demo: FastAPI, change: Callable[[Any], object], fault: str) -> None:
    document = thing(demo)
    assert list(document_faults(document)) == []
    change(by_id(document)["getThing"])
    assert [fault for found in document_faults(document) if fault in found]


def thing(demo: FastAPI) -> dict[str, Any]:
    """A document of one operation that has no fault."""
    document = description(demo, "demo", "polku_web")
    answers = next(operation["responses"] for path, _, operation in operations(document) if path.endswith("{thing_id}"))
    operation = copy.deepcopy(GET_THING)
    operation["responses"] |= {status: answer for status, answer in answers.items() if status in ("400", "500", "503")}
    document["paths"] = {"/demo/api/v1/things/{thing_id}": {"get": operation}}
    document["components"]["schemas"]["Thing"] = {"properties": {"id": {"type": "string"}}, "required": ["id"]}
    link = {"operationId": "getThing", "parameters": {"thing_id": "$response.body#/id"}}
    document["components"]["links"] = {"getThing": link}
    return document
