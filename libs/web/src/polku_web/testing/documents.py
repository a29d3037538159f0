"""Checks of a service's OpenAPI document: all of its API is in it, whole, and what it shows holds.

    assert faults_of(app, "pathway") == []

Each fault is one line that says where and what.
"""

import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from jsonschema import Draft202012Validator

from polku_web.docs import description
from polku_web.openapi import key_of, operations, read_told
from polku_web.problems import MEDIA_TYPE, catalogue

Schema = dict[str, Any]
ALWAYS = {"malformed", "internal", "unavailable"}
"""Problems that any request may end in."""
CLOSED = {"unevaluatedProperties": False}


def faults_of(app: FastAPI, service: str, package: str = "") -> list[str]:
    """Everything that is wrong with the document of a service; package: `polku_<service>` if not given."""
    package = package or f"polku_{service}"
    document = description(app, service, package)
    told = set(read_told(package).get("operations", ()))
    return [*_untold(app, service, document, told), *document_faults(document)]


def document_faults(document: Schema) -> Iterator[str]:
    """What is wrong with a document by itself."""
    yield from _ids(document)
    lost = list(_references(document))
    yield from lost
    for path, method, operation in operations(document):
        # An example is judged by its whole schema.
        for fault in (*_operation(operation), *([] if lost else _examples(operation, document))):
            yield f"{method} {path}: {fault}"


def at(document: Schema, reference: str) -> Any:
    """What a reference within the document leads to. Raises KeyError when it leads nowhere."""
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def by_id(document: Schema) -> dict[str, Schema]:
    """The operations by their names."""
    return {operation["operationId"]: operation for _, _, operation in operations(document)}


def example_of(operation: Schema, status: int | None = None) -> Any:
    """The JSON example of an answer, or of the request."""
    part = operation["requestBody"] if status is None else operation["responses"][str(status)]
    return part["content"]["application/json"]["example"]


def problems_of(operation: Schema) -> dict[str, list[str]]:
    """The codes of an operation's problems, by status."""
    contents = {
        status: response.get("content", {}).get(MEDIA_TYPE) for status, response in operation["responses"].items()
    }
    return {status: list(content["examples"]) for status, content in contents.items() if content}


def _untold(app: FastAPI, service: str, document: Schema, told: set[str]) -> Iterator[str]:
    """A new route is at fault until `data/openapi.yaml` tells of it; so is a line about a route that is gone."""
    base = f"/{service}/api/v1"
    routes = {
        (str(route.path_format), method)
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
        if re.search(r"/api/|/oauth/|/\.well-known/", route.path or "")
    }
    routes = {(path, method) for path, method in routes if method != "HEAD"}
    routes -= {(f"{base}/openapi.json", "GET"), (f"{base}/docs", "GET")}
    described = {(path, method) for path, method, _ in operations(document)}
    yield from (f"{method} {path}: not in the document" for path, method in sorted(routes ^ described))
    known = {key_of(service, path, method) for path, method in described}
    yield from (f"{key}: not told" for key in sorted(known - told))
    yield from (f"{key}: told, and not there" for key in sorted(told - known))


def _operation(operation: Schema) -> Iterator[str]:
    if not 10 <= len(operation["summary"]) <= 120:
        yield "summary"
    if not operation.get("tags"):
        yield "tags"
    body = operation.get("requestBody", {"content": {}})
    if any("example" not in content for content in body["content"].values()):
        yield "no example of the request"
    for status, response in operation["responses"].items():
        for media, content in response.get("content", {}).items():
            if media == MEDIA_TYPE and not content["examples"]:
                yield f"no problems of {status}"
            elif media != MEDIA_TYPE and "example" not in content:
                yield f"no example of {status}"
    codes = {code for codes in problems_of(operation).values() for code in codes}
    yield from (f"problem {code} is missing" for code in sorted(ALWAYS - codes))
    yield from (f"problem {code} has no page" for code in sorted(codes - catalogue().keys()))
    takes_version = {"$ref": "#/components/parameters/IfMatch"} in operation.get("parameters", ())
    if takes_version != ("version-required" in codes):
        yield "If-Match"


def _examples(operation: Schema, document: Schema) -> Iterator[str]:
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    schemas = {name: _closed(part, is_part=True) for name, part in document["components"]["schemas"].items()}
    for content in (content for body in bodies for content in body.get("content", {}).values()):
        examples = [content["example"]] if "example" in content else []
        examples += [at(document, one["$ref"])["value"] for one in content.get("examples", {}).values()]
        rule = {**_closed(content.get("schema", {})), "components": {"schemas": schemas}}
        for example in examples:
            yield from (f"example: {error.message[:200]}" for error in Draft202012Validator(rule).iter_errors(example))


def _closed(schema: Any, *, is_part: bool = False) -> Any:
    """The schema without room for what it does not name: an answer may grow, its example shows what there is.

    is_part: others are beside it, or refer to it, and close the whole.
    """
    if isinstance(schema, list):
        return [_closed(one, is_part=is_part) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {
        name: {key: _closed(inner) for key, inner in part.items()}
        if name == "properties"
        else _closed(part, is_part=name == "allOf")
        for name, part in schema.items()
    }
    return closed if is_part or not closed.keys() & {"$ref", "allOf", "properties"} else {**closed, **CLOSED}


def _ids(document: Schema) -> Iterator[str]:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    yield from (f"{name}: the name of two" for name in sorted({name for name in ids if ids.count(name) > 1}))
    yield from (f"{name}: no name for a client" for name in ids if not re.fullmatch(r"[a-z][A-Za-z]{3,39}", name))


def _references(document: Schema) -> Iterator[str]:
    """What leads nowhere: a reference, and a parameter that a link gives to an operation without it."""
    for reference in sorted(set(re.findall(r"'\$ref': '(#/[^']+)'", str(document)))):
        try:
            at(document, reference)
        except KeyError:
            yield f"{reference} leads nowhere"
    known = by_id(document)
    for name, link in document["components"]["links"].items():
        parameters = known.get(link["operationId"], {}).get("parameters", ())
        names = {at(document, one["$ref"])["name"] if "$ref" in one else one["name"] for one in parameters}
        yield from (f"link {name}: no {parameter}" for parameter in sorted(link["parameters"].keys() - names))
