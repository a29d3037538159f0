"""The service description for the X-Road catalogue: `/openapi.json` of this listener, in OpenAPI 3.0.

PR-REST §5.1 names 3.0; the API's own document is 3.1, so what only that one can say is said in the older way.
"""

from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from polku_web import docs
from polku_web.i18n import msg
from polku_web.problems import MEDIA_TYPE, Problem

VERSION = "3.0.3"
HEADERS = (
    ("X-Road-Client", True, "The calling member: instance/class/code/subsystem, each part percent-encoded"),
    ("X-Road-Id", False, "Of this message, a UUID; the security server makes one when there is none"),
    ("X-Road-UserId", False, "Who caused it, by a worker's number; never a personal identity code"),
    ("X-Road-Issue", False, "The case or document that caused it; never a personal identity code"),
)
ABOUT = """\
Referrals from authorities' systems, and the way back to them, over X-Road (PR-REST).

- Who calls is `X-Road-Client`, a subsystem that Polku's operator has registered; there are no tokens here.
- Addresses in answers are paths of this service: put them behind its identifier.
- There are no webhooks: poll `/referral/api/v1/events`.
- Errors are problems (RFC 9457) without `X-Road-Error`; with that header a security server speaks, not Polku.
- Commands take the version that was seen in `If-Match`; a lost race is 409 with the present state.
- Within v1 members may be added to answers and codes to lists; what goes is announced by `Deprecation` and `Sunset`.
"""
ELSEWHERE = "/referral/api/v1/-"
"""Where what no member may call is sent to."""
PROBLEMS = {"400": ("x-road-client",), "403": ("x-road-member", "insufficient-scope")}
"""What every call may hear of who calls, by status."""
METHODS = frozenset({"get", "post", "put", "patch", "delete"})
NEWER = frozenset({"contentEncoding", "contentMediaType", "prefixItems", "$defs", "webhooks", "jsonSchemaDialect"})
"""Keywords that 3.0 does not know and that can be left out without saying anything else."""

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    return JSONResponse(_described(request.app))


@cache
def _described(app: FastAPI) -> dict[str, Any]:
    return describe(docs.description(app, "referral", "polku_referral"))


@router.get(ELSEWHERE)
@router.api_route("/referral/api/v1/webhooks{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def elsewhere() -> None:
    """Another door's address: said so, since the guide of the JSON door names it."""
    raise Problem(
        404, "not-found", msg("Over X-Road there are referrals as JSON and their events; no tokens, webhooks or FHIR.")
    )


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """The document of the routes that are here, with the X-Road headers instead of tokens."""
    told: dict[str, Any] = as_3_0(document)
    told["openapi"] = VERSION
    told["info"] |= {"title": "Polku: referrals over X-Road", "description": ABOUT}
    told.pop("security", None)
    told["components"].pop("securitySchemes", None)
    parameters = told["components"].setdefault("parameters", {})
    for name, is_required, text in HEADERS:
        schema = {"type": "string", "maxLength": 500}
        parameters[name] = {
            "name": name,
            "in": "header",
            "required": is_required,
            "description": text,
            "schema": schema,
        }
    refs = [{"$ref": f"#/components/parameters/{name}"} for name, _, _ in HEADERS]
    for path in told["paths"].values():
        for method, operation in path.items():
            if method in METHODS:
                operation.pop("security", None)
                operation["parameters"] = [*refs, *operation.get("parameters", [])]
                _tell_who_calls(operation["responses"])
    _only_links_within(told)
    return told


def _tell_who_calls(responses: dict[str, Any]) -> None:
    """Instead of what tokens may bring: nobody is asked to sign in here."""
    responses.pop("401", None)
    for status, codes in PROBLEMS.items():
        content = responses.get(status, {}).get("content", {}).get(MEDIA_TYPE, {})
        examples = content.get("examples", {}) | {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
        responses[status] = {
            "description": f"Problem: {', '.join(examples)}",
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}, "examples": examples}},
        }


def _only_links_within(told: dict[str, Any]) -> None:
    """Takes out what leads to an operation that a member does not have."""
    operations = [operation for path in told["paths"].values() for operation in path.values()]
    known = {operation["operationId"] for operation in operations}
    links = told["components"].get("links", {})
    told["components"]["links"] = {name: link for name, link in links.items() if link["operationId"] in known}
    here = {f"#/components/links/{name}" for name in told["components"]["links"]}
    for operation in operations:
        for answer in operation["responses"].values():
            if "links" in answer:
                answer["links"] = {name: link for name, link in answer["links"].items() if link["$ref"] in here}


def as_3_0(node: Any) -> Any:
    """A part of a 3.1 document in the words of 3.0: `nullable`, `enum` of one, `example`, exclusive bounds as flags."""
    if isinstance(node, list):
        return [as_3_0(one) for one in node]
    if not isinstance(node, dict):
        return node
    said = {name: as_3_0(value) for name, value in node.items() if name not in NEWER}
    either = said.get("anyOf")
    if isinstance(either, list) and {"type": "null"} in either:
        others = [one for one in either if one != {"type": "null"}]
        said = {name: value for name, value in said.items() if name != "anyOf"} | _nullable(others)
    if "const" in said:
        said["enum"] = [said.pop("const")]
    if isinstance(said.get("examples"), list):
        said["example"] = said.pop("examples")[0]
    for bound, flag in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(said.get(flag), int | float) and not isinstance(said[flag], bool):
            said[bound], said[flag] = said[flag], True
    return said


def _nullable(others: list[dict[str, Any]]) -> dict[str, Any]:
    if len(others) > 1:
        return {"anyOf": others, "nullable": True}
    # Beside a $ref nothing else counts in 3.0.
    return {"allOf": others, "nullable": True} if "$ref" in others[0] else {**others[0], "nullable": True}
