"""How a problem is told here: an OperationOutcome with the same codes as everywhere else."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from polku_referral.fhir.codes import Own
from polku_referral.fhir.models import written
from polku_web.answers import told
from polku_web.problems import Problem

BASE = "/referral/fhir/r4"
MEDIA_TYPE = "application/fhir+json"
ISSUE: Mapping[str, str] = {
    "malformed": "structure",
    "not-signed-in": "login",
    "forbidden": "forbidden",
    "insufficient-scope": "forbidden",
    "not-found": "not-found",
    "method-not-allowed": "not-supported",
    "not-acceptable": "not-supported",
    "unsupported-media-type": "not-supported",
    "lost-race": "conflict",
    "wrong-state": "business-rule",
    "refused": "business-rule",
    "too-large": "too-long",
    "too-slow": "timeout",
    "invalid": "invalid",
    "idempotency-mismatch": "duplicate",
    "version-required": "required",
    "too-many-requests": "throttled",
    "internal": "exception",
    "unavailable": "transient",
}
"""Problem code → IssueType; what a single field's code says more exactly is in `FIELD`."""
FIELD: Mapping[str, str] = {
    "missing": "required",
    "needed": "required",
    "extra-forbidden": "structure",
    "unknown-code": "code-invalid",
    "unknown-reference": "not-found",
    "unknown-parameter": "not-supported",
    "not-yours": "business-rule",
    "one-order": "business-rule",
}


def answer(request: Request, problem: Problem, status: int | None = None) -> Response:
    """The response for `problem`; what it says is what the JSON door would say. status: another than the problem's."""
    resource = outcome(told(request, problem), own_of(request), root_of(request.url.path))
    return Response(written(resource), status or problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def all_well() -> dict[str, Any]:
    """Nothing is wrong, and nothing was kept."""
    issue = {"severity": "information", "code": "informational", "details": {"text": "All OK"}}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def outcome(said: Mapping[str, Any], own: Own, root: str) -> dict[str, Any]:
    """said: a problem as RFC 9457 has it. root: the type of the resource that was sent."""
    general = {"system": own.codes("problem"), "code": said["code"], "display": said["title"]}
    issues = []
    for error in said.get("errors", ()):
        coding = [general, {"system": own.codes("problem-field"), "code": error["code"]}]
        named, place = "expression", expression(error["pointer"], root)
        if error.get("in", "body") != "body":
            named, place = "location", f"http:{error['pointer'].removeprefix('/')}"
        line = f"{place}: {error['message']}"
        issues.append(_issue(said, FIELD.get(error["code"], "value"), coding, error["message"], line, {named: [place]}))
    if not issues:
        text = said.get("detail") or said["title"]
        issues.append(_issue(said, ISSUE.get(said["code"], "processing"), [general], text, text, {}))
    return {"resourceType": "OperationOutcome", "issue": issues}


def _issue(
    said: Mapping[str, Any], code: str, coding: list[dict[str, str]], text: str, line: str, where: Mapping[str, Any]
) -> dict[str, Any]:
    """line: the text with its place. Of a whole outcome some libraries put the diagnostics alone into their error, so
    these say all, with the trace.
    """
    told = {"details": {"coding": coding, "text": text}, "diagnostics": f"{line} ({said['instance']})"}
    return {"severity": "error", "code": code, **told, **where}


def expression(pointer: str, root: str) -> str:
    """FHIRPath of a JSON pointer: `/contained/0/birthDate` → `ServiceRequest.contained[0].birthDate`."""
    return root + re.sub(r"/(\d+)", r"[\1]", pointer).replace("/", ".")


def root_of(path: str) -> str:
    """The type of resource that is sent to an address; a Bundle to the base itself."""
    kind = path.removeprefix(BASE).strip("/").partition("/")[0]
    return kind if kind.isalpha() else "Bundle"


def own_of(request: Request) -> Own:
    return Own(f"{request.app.state.settings.base_url}/fhir")
