"""How an answer goes out: headers that tell the version, and as much of a body as the client prefers."""

import re
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from polku_referral.fhir import outcomes
from polku_referral.fhir.models import written
from polku_referral.fhir.outcomes import MEDIA_TYPE
from polku_referral.fhir.writing import Resource, changed_at
from polku_referral.wire import ReferralOut

REPRESENTATION, MINIMAL, OUTCOME = "representation", "minimal", "OperationOutcome"
_RETURN = re.compile(rf"return\s*=\s*\"?({REPRESENTATION}|{MINIMAL}|{OUTCOME})\b", re.IGNORECASE)


def answer(
    resource: Resource, shown: ReferralOut | None = None, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """shown: the referral that the resource is of."""
    return Response(written(resource), status, headers={**_version(shown), **(headers or {})}, media_type=MEDIA_TYPE)


def after_change(
    request: Request,
    resource: Resource,
    shown: ReferralOut | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """As `answer`, with only as much of it as `Prefer: return=…` asks for."""
    wish = preferred(request)
    headers = {**(headers or {}), **({"preference-applied": f"return={wish}"} if wish is not None else {})}
    if wish == MINIMAL:
        return Response(None, status, headers={**_version(shown), **headers})
    return answer(outcomes.all_well() if wish == OUTCOME else resource, shown, status, headers)


def preferred(request: Request) -> str | None:
    """What a client wants to hear after a change; None when it does not say."""
    found = _RETURN.search(request.headers.get("prefer", ""))
    if found is None:
        return None
    return next(one for one in (REPRESENTATION, MINIMAL, OUTCOME) if one.lower() == found[1].lower())


def entry(resource: Resource | None, shown: ReferralOut, is_new: bool, base: str, wish: str | None) -> Resource:
    """What became of one entry of a transaction. What the referral keeps of the others is not read back by any
    address.
    """
    response: dict[str, Any] = {"status": "201 Created" if is_new else "200 OK"}
    if wish == OUTCOME:
        response["outcome"] = outcomes.all_well()
    if resource is None:
        return {"response": response}
    address = response["location"] = f"{base}/{resource['resourceType']}/{shown.id}"
    response["etag"] = f'W/"{shown.version}"'
    response["lastModified"] = resource["meta"]["lastUpdated"]
    kept = {"fullUrl": address, "resource": resource} if wish in (None, REPRESENTATION) else {}
    return {**kept, "response": response}


def _version(shown: ReferralOut | None) -> dict[str, str]:
    if shown is None:
        return {}
    return {"etag": f'W/"{shown.version}"', "last-modified": format_datetime(changed_at(shown), usegmt=True)}
