"""The definitions of R4 that resources are held against, from the library `fhir.resources`.

R4B (4.3.0) is the same as R4 (4.0.1) for every resource that is used here; that what is sent is R4 is tested with
another library's definitions.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.consent import Consent
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.organization import Organization
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.servicerequest import ServiceRequest
from fhir.resources.R4B.task import Task
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from polku_referral.texts import WRONG
from polku_web.problems import Error, from_validation, pointer

Models = Mapping[str, type[BaseModel]]
SENT: Models = {"ServiceRequest": ServiceRequest, "Task": Task, "Bundle": Bundle}
WITHIN: Models = {"Patient": Patient, "Consent": Consent, "Organization": Organization}
WRITTEN: Models = {"OperationOutcome": OperationOutcome, "CapabilityStatement": CapabilityStatement}
READ: Models = {**SENT, **WITHIN}
MODELS: Models = {**READ, **WRITTEN}
_CODES = {
    "model_field_validation.missing": "missing",
    "model_validation_format": "model_type",
    "json_invalid": "model_type",
    "fhir-validation-wrong-resource-type": "value_error",
}
"""The library's own types of error, in pydantic's words."""


def written(resource: Mapping[str, Any]) -> bytes:
    """The resource as JSON, held against its definition. Raises ValidationError: a fault of ours."""
    MODELS[resource["resourceType"]].model_validate(resource)
    # Not the model's own dump: it says the same and costs twice as much as all the rest.
    return json.dumps(resource, ensure_ascii=False, separators=(",", ":")).encode()


def faults(sent: Mapping[str, Any]) -> list[Error]:
    """What R4 does not allow, each at its JSON pointer. sent: strict JSON with a resourceType of `READ`."""
    strange = [Error(at, "unknown-code", WRONG["unknown-code"]) for at in _strange(sent, [])]
    if strange:
        return strange  # the library knows no model for them
    try:
        MODELS[sent["resourceType"]].model_validate(sent)
    except ValidationError as error:
        return list(from_validation([_said(one) for one in error.errors(include_input=False)]).errors)
    return []


def _said(error: ErrorDetails) -> dict[str, Any]:
    place = (name for name in error["loc"] if name not in ("root", "resource_type"))
    return {**error, "type": _CODES.get(error["type"], error["type"]), "loc": ("body", *place)}


def _strange(value: object, path: list[str | int]) -> Iterator[str]:
    """Where a resource stands that is of no kind that is read here."""
    if isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _strange(inner, [*path, place])
    elif isinstance(value, dict):
        kind = value.get("resourceType")
        if kind is not None and not (isinstance(kind, str) and kind in READ):
            yield pointer([*path, "resourceType"])
        for name, inner in value.items():
            yield from _strange(inner, [*path, name])
