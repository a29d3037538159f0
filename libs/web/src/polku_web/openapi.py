"""What FastAPI cannot know of an operation: its name, examples, problems, headers and where one goes on from it.

Derived from the code: who may call (from the doors), the problems that follow from that and from the form of the
request, the headers of every answer, what is deprecated. Told in a service's `data/openapi.yaml`:

    operations:
      POST /referrals:                        # below /<service>/api/v1, or a whole address
        id: receiveReferral
        problems: [idempotency-mismatch]      # those of its own
        request: {…}                          # an example of the body; `requests` by media type
        answers:
          201: {headers: [ETag], links: [getReferral], example: {…}}
    links:
      getReferral: {operation: getReferral, with: {referral_id: $response.body#/id}}
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from polku_web.deprecation import Deprecated
from polku_web.doors import CSRF_HEADER, SAFE_METHODS, Entry
from polku_web.problems import MEDIA_TYPE, catalogue

Schema = dict[str, Any]

HEADERS: Mapping[str, Schema] = {
    "ETag": {"description": "The version, for If-Match", "schema": {"type": "string", "pattern": r'^(W/)?"\d+"$'}},
    "Location": {"description": "Where it is read", "schema": {"type": "string", "format": "uri-reference"}},
    "Link": {"description": 'RFC 8288; rel="next" leads to the next page', "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 0}},
    "RateLimit": {
        "description": "Requests that are left (r), and the seconds (t) until there are more",
        "schema": {"type": "string", "examples": ['"default";r=29;t=1']},
    },
    "RateLimit-Policy": {
        "description": "How many requests (q) a client may make within a time (w, in seconds)",
        "schema": {"type": "string", "examples": ['"default";q=30;w=1']},
    },
    "WWW-Authenticate": {"description": "RFC 6750", "schema": {"type": "string"}},
    "Deprecation": {"description": "RFC 9745: since when it should not be used", "schema": {"type": "string"}},
    "Sunset": {"description": "RFC 8594: from when it is gone", "schema": {"type": "string"}},
}
IF_MATCH: Schema = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "description": "The version that was seen, as `ETag` gave it",
    "schema": {"type": "string", "pattern": r'^(W/)?"[0-9]{1,9}"$'},
    "example": '"1"',
}
BY_STATUS = {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}
"""Headers that a problem brings."""
PROBLEM: Schema = {"$ref": "#/components/schemas/ProblemBody"}
MACHINE, PERSON = "clientCredentials", ("session", "csrf")


@dataclass(frozen=True)
class Facts:
    """What a route's own code says about who may call it, and whether it will go."""

    entry: Entry | None
    deprecated: bool


def read_told(package: str) -> Schema:
    """What the service tells; empty when it tells nothing."""
    file = files(package).joinpath("data/openapi.yaml")
    told: Schema = yaml.safe_load(file.read_text("utf-8")) if file.is_file() else {}
    return told


def enrich(schema: Schema, app: FastAPI, service: str, told: Schema) -> None:
    """Writes everything that is derived or told into FastAPI's schema."""
    facts = {(path, method): found for path, method, found in _facts(app)}
    links = told.get("links", {})
    components = schema.setdefault("components", {})
    components["headers"] = {name: dict(header) for name, header in HEADERS.items()}
    components["parameters"] = {"IfMatch": IF_MATCH}
    components["examples"] = {code: _problem_example(code) for code in catalogue()}
    components["links"] = {
        name: {"operationId": link["operation"], "parameters": link["with"]} for name, link in links.items()
    }
    components["securitySchemes"] = _security_schemes(told)
    schema["info"]["description"] = told.get("description", "")
    for path, method, operation in operations(schema):
        own = told.get("operations", {}).get(key_of(service, path, method)) or _untold(path, method)
        _describe(operation, facts[path, method], own, path, method)
        _name_form(operation, components.get("schemas", {}))
    for part in components.get("schemas", {}).values():
        _without_titles(part)


def _without_titles(schema: Schema) -> None:
    """Pydantic calls `accepted_on` "Accepted On" as well, which no reader and no generated client needs."""
    for part in schema.get("properties", {}).values():
        part.pop("title", None)


def _name_form(operation: Schema, schemas: Schema) -> None:
    """A form has no model, so FastAPI names it after the function and the address; here it is after the operation."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        old = content["schema"].get("$ref", "").rpartition("/")[2]
        if old.startswith("Body_"):
            new = f"{operation['operationId'][0].upper()}{operation['operationId'][1:]}Form"
            schemas[new] = schemas.pop(old) | {"title": new}
            content["schema"] = {"$ref": f"#/components/schemas/{new}"}


def _plain_parameter(parameter: Schema) -> None:
    """In an address nothing can be null, and what says so makes clumsy clients."""
    schema = parameter.get("schema", {})
    schema.pop("title", None)
    if "anyOf" in schema:
        ways = [way for way in schema.pop("anyOf") if way != {"type": "null"}]
        schema.update(ways[0] if len(ways) == 1 else {"anyOf": ways})


def _untold(path: str, method: str) -> Schema:
    """A command on something that is there may come too late, or at the wrong time."""
    return {} if method in SAFE_METHODS or "{" not in path else {"problems": ["lost-race", "wrong-state"]}


def operations(schema: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Path, METHOD and operation of all that the document holds."""
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), operation


def key_of(service: str, path: str, method: str) -> str:
    """How `openapi.yaml` calls an operation."""
    return f"{method} {path.removeprefix(f'/{service}/api/v1')}"


def _describe(operation: Schema, facts: Facts, told: Schema, path: str, method: str) -> None:
    operation["operationId"] = told.get("id", operation["operationId"])
    operation["summary"] = _first_sentence(str(operation.get("description") or operation["summary"]))
    operation["security"] = _security(facts.entry, method)
    if facts.deprecated:
        operation["deprecated"] = True
    if "version-required" in told.get("problems", ()):
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IfMatch"})
    for parameter in operation.get("parameters", ()):
        _plain_parameter(parameter)
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        example = told.get("requests", {}).get(media, told.get("request"))
        content.update({} if example is None else {"example": example})
    for status, response in operation["responses"].items():
        _describe_answer(response, facts, told.get("answers", {}).get(int(status), {}))
    problems = _problems(operation, facts.entry, path, method) | set(told.get("problems", ()))
    _add_problems(operation["responses"], problems)
    if "lost-race" in problems:
        _add_present(operation["responses"])
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _describe_answer(response: Schema, facts: Facts, told: Schema) -> None:
    limited = facts.entry is not None and facts.entry.scopes is not None
    names = ["RateLimit", "RateLimit-Policy"] if limited else []
    names += ["Deprecation", "Sunset", "Link"] if facts.deprecated else []
    _add_headers(response, names + told.get("headers", []))
    if "links" in told:
        response["links"] = {name: {"$ref": f"#/components/links/{name}"} for name in told["links"]}
    if "example" in told:
        _set_example(response, told["example"])


def _add_problems(responses: Schema, problems: set[str]) -> None:
    for status, codes in _by_status(problems):
        response = responses.setdefault(str(status), {"description": f"Problem: {', '.join(codes)}"})
        _add_headers(response, BY_STATUS.get(status, []))
        content = response.setdefault("content", {})
        if content.get("application/json", {}).get("schema") == PROBLEM:
            del content["application/json"]  # FastAPI knows a model, not in which type we send it
        examples = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
        content[MEDIA_TYPE] = {"schema": PROBLEM, "examples": examples}


def _add_present(responses: Schema) -> None:
    """409 shows the present state in the form in which the command would have answered."""
    done: Schema = next((answer for status, answer in responses.items() if status in ("200", "201")), {})
    shown = done.get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in shown:
        more = {"type": "object", "properties": {"present": shown}}
        responses["409"]["content"][MEDIA_TYPE]["schema"] = {"allOf": [PROBLEM, more]}


def _set_example(part: Schema, example: Any) -> None:
    for content in part["content"].values():
        content.setdefault("example", example)  # a route may show its own, of a type that is no JSON


def _problems(operation: Schema, entry: Entry | None, path: str, method: str) -> set[str]:
    """The problems that follow from the form of a request and from who may call."""
    found = {"malformed", "unavailable", "internal"}
    if entry is not None:
        found |= {"not-signed-in"}
        if entry.scopes is not None:
            found |= {"too-many-requests", "invalid"} | ({"insufficient-scope"} if entry.scopes else set())
        if entry.roles is not None:
            found |= {"forbidden"} if entry.roles else set()
            found |= set() if method in SAFE_METHODS else {"csrf", "cross-site"}
    if method not in SAFE_METHODS:
        found |= {"too-slow", "too-large", "unsupported-media-type", "invalid"}
    places = {parameter.get("in") for parameter in operation.get("parameters", ())}
    return found | ({"invalid"} if "query" in places else set()) | ({"not-found"} if "{" in path else set())


def _by_status(codes: set[str]) -> Iterator[tuple[int, list[str]]]:
    known = catalogue()
    for status in sorted({known[code].status for code in codes}):
        yield status, [code for code in known if code in codes and known[code].status == status]


def _add_headers(response: Schema, names: list[str]) -> None:
    headers = response.setdefault("headers", {}) if names else {}
    headers.update({name: {"$ref": f"#/components/headers/{name}"} for name in names})


def _problem_example(code: str) -> Schema:
    kind = catalogue()[code]
    value = {
        "type": f"/problems/{code}",
        "title": kind.title["en"],
        "status": kind.status,
        "instance": "urn:trace:4bf92f3577b34da6a3ce929d0e0e4736",
        "code": code,
    }
    if code == "invalid":
        value["errors"] = [{"pointer": "/external_id", "code": "missing", "message": "This is required."}]
    return {"summary": kind.title["en"], "value": value}


def _security(entry: Entry | None, method: str) -> list[Schema]:
    if entry is None:
        return []
    ways: list[Schema] = []
    if entry.scopes is not None:
        ways.append({MACHINE: list(entry.scopes)})
    if entry.roles is not None:
        ways.append({name: [] for name in PERSON[: 1 if method in SAFE_METHODS else 2]})
    return ways


def _security_schemes(told: Schema) -> Schema:
    session, csrf = PERSON
    people: Schema = {
        session: {"type": "apiKey", "in": "cookie", "name": "polku", "description": "Somebody who has signed in"},
        csrf: {"type": "apiKey", "in": "header", "name": CSRF_HEADER, "description": "The session's own token"},
    }
    machine: Schema = {
        "type": "oauth2",
        "description": "The client authenticates by `private_key_jwt` (RFC 7523): no shared secret.",
        "flows": {"clientCredentials": told.get("oauth", {"tokenUrl": "/referral/oauth/token", "scopes": {}})},
    }
    return {MACHINE: machine} | people


def _facts(app: FastAPI) -> Iterator[tuple[str, str, Facts]]:
    for route in iter_route_contexts(app.routes):
        if getattr(route, "dependant", None) is None:
            continue
        calls = list(_calls(route.dependant))
        entry = next((call for call in calls if isinstance(call, Entry)), None)
        for method in route.methods or ():
            yield route.path_format or "", method, Facts(entry, any(isinstance(call, Deprecated) for call in calls))


def _calls(dependant: Dependant) -> Iterator[Any]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)


def _first_sentence(text: str) -> str:
    found = re.split(r"\.\s|\.$|:\s", " ".join(text.split()), maxsplit=1)[0]
    return found.replace("`", "")
