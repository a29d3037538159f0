"""What one search parameter asks for, as a filter over the caller's own referrals. Each raises ValueError for a value
that means nothing; of several values with a comma between them, one must hold.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl

from polku_referral.fhir import codes
from polku_referral.fhir.writing import Writer
from polku_referral.texts import WRONG
from polku_web.problems import Error, Problem

Kind = Literal["Task", "ServiceRequest"]
Filter = Mapping[str, Any]
NOTHING: Filter = {"_id": {"$in": []}}
STATUS_SYSTEMS: Mapping[Kind, str] = {
    "Task": "http://hl7.org/fhir/task-status",
    "ServiceRequest": "http://hl7.org/fhir/request-status",
}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_PERIOD = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_MS = timedelta(milliseconds=1)
MAX_MOMENTS = 10
"""Between the commas of one parameter; each is a span of its own, and those of several multiply."""
PREFIXES = ("eq", "ne", "gt", "ge", "lt", "le", "sa", "eb")


def ids(value: str) -> Filter:
    return {"_id": {"$in": value.split(",")}}


def identifiers(value: str, writer: Writer) -> Filter:
    """`system|value`, `value`, or `system|` for all of a system."""
    if f"{writer.own.referrals(writer.organisation_id)}|" in value.split(","):
        return {}
    return {"external_id": {"$in": external_ids(value, writer)}}


def external_ids(value: str, writer: Writer) -> list[str]:
    """Of `system|value,…` the values that can be this organisation's."""
    ours = writer.own.referrals(writer.organisation_id)
    tokens = (token.rpartition("|") for token in value.split(","))
    return [number for system, bar, number in tokens if not bar or system == ours]


def requester(value: str, writer: Writer) -> Filter:
    ours = writer.organisation_id
    names = (ours, f"Organization/{ours}", f"{writer.base}/Organization/{ours}")
    return {} if any(one in names for one in value.split(",")) else NOTHING


def status(kind: Kind, value: str, writer: Writer) -> Filter:
    """States that are said by one of the codes to this partner."""
    said: Mapping[str, str] = codes.ORDER
    if kind == "Task":
        said = {state: fulfilment.status for state, fulfilment in codes.TASK[writer.profile].items()}
    tokens = (token.rpartition("|") for token in value.split(","))
    wanted = {code for system, _, code in tokens if system in ("", STATUS_SYSTEMS[kind])}
    return {"state": {"$in": [state for state, status in said.items() if status in wanted]}}


def moments(value: str) -> Filter:
    """`gt2026-03-02T08:00:00Z`. A blank stands for the plus that a client forgot to write as %2B."""
    wanted = value.split(",")
    if len(wanted) > MAX_MOMENTS:
        raise ValueError("too many")
    return {"$or": [_moment(one.replace(" ", "+")) for one in wanted]}


def _moment(value: str) -> Filter:
    prefix = value[:2] if value[:2] in PREFIXES else "eq"
    try:
        low, high = _span(value.removeprefix(prefix))
    except OverflowError:
        raise ValueError(value) from None
    if prefix == "ne":
        return {"$or": [{"changed_at": {"$lt": low}}, {"changed_at": {"$gte": high}}]}
    bounds = {
        "eq": {"$gte": low, "$lt": high},
        "gt": {"$gte": high},
        "sa": {"$gte": high},
        "ge": {"$gte": low},
        "lt": {"$lt": low},
        "eb": {"$lt": low},
        "le": {"$lt": high},
    }
    return {"changed_at": bounds[prefix]}


def _span(text: str) -> tuple[datetime, datetime]:
    """All the time that a value names, the end not in it: a year, a month or a day of UTC, a minute, a second, 1 ms."""
    if (found := _INSTANT.fullmatch(text)) is not None:
        low = datetime.fromisoformat(text).astimezone(UTC)
        low = low.replace(microsecond=low.microsecond // 1000 * 1000)
        return low, low + (_MS if found[2] else timedelta(seconds=1) if found[1] else timedelta(minutes=1))
    if (found := _PERIOD.fullmatch(text)) is None:
        raise ValueError(text)
    year, month, day = found.groups()
    low = datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC)
    if day is not None:
        return low, low + timedelta(days=1)
    if month is not None:
        return low, (low + timedelta(days=31)).replace(day=1)
    return low, low.replace(year=low.year + 1)


def only_identifier(condition: str, writer: Writer) -> str | None:
    """The value in `If-None-Exist: identifier=system|value`; None when it can be nobody's here. Raises Problem 400.

    Clients differ in what they send: the query alone or the address before it, as it is or percent-encoded.
    """
    address, _, query = condition.rpartition("?")
    given = parse_qsl(query, keep_blank_values=True)
    is_ours = address in ("", "ServiceRequest", f"{writer.base}/ServiceRequest")
    value = given[0][1] if is_ours and [name for name, _ in given] == ["identifier"] else ""
    if not value or "," in value:  # several could mean more than one referral
        error = Error("/If-None-Exist", "not-valid", WRONG["not-valid"], "header")
        raise Problem(400, "malformed", errors=[error])
    return next(iter(external_ids(value, writer)), None)
