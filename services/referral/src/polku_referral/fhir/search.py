"""What a search asks for: FHIR's parameters as a filter over the caller's own referrals.

Unknown parameters are refused: one that is misspelt must not find everything.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

from pymongo import ASCENDING, DESCENDING
from starlette.datastructures import QueryParams

from polku_referral.fhir import codes
from polku_referral.fhir.writing import Writer
from polku_web.i18n import msg
from polku_web.paging import DEFAULT_LIMIT, Key, Window, decode, wrong_cursor
from polku_web.problems import Error, Problem, pointer

Kind = Literal["Task", "ServiceRequest"]
Filter = Mapping[str, Any]
NOT_VALID = msg("This value is not valid.")
UNKNOWN_PARAMETER = msg("This search parameter is not known.")
ABOUT_THE_ANSWER = ("_format", "_pretty", "lang")
NOTHING: Filter = {"_id": {"$in": []}}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
MAX_COUNT = 100
"""Resources to a page: each is held against its definition, and nobody else's request should wait for more of that."""
_PREFIXES = ("eq", "gt", "ge", "lt", "le", "sa", "eb")


@dataclass(frozen=True)
class Search:
    """filters: all must hold; beyond: too, for what comes after the cursor. order: of MongoDB. counted: whether the
    total is wanted. used: what is in `self`.
    """

    filters: list[Filter]
    beyond: list[Filter]
    part: Window
    order: list[tuple[str, int]]
    counted: bool
    used: list[tuple[str, str]]

    def link(self, address: str, after: str | None = None) -> str:
        """The address of this part of what was found, or of the one after a cursor."""
        used = [(name, value) for name, value in self.used if after is None or name != "after"]
        query = urlencode(used + ([("after", after)] if after is not None else []))
        return f"{address}?{query}" if query else address


def asked(kind: Kind, given: QueryParams, writer: Writer) -> Search:
    """Raises Problem 400 with every parameter that is not known or not understood."""
    filters: list[Filter] = []
    errors: list[Error] = []
    used = [(name, value) for name, value in given.multi_items() if name not in ABOUT_THE_ANSWER]
    readers: dict[str, Callable[[str], Filter]] = {
        "_id": lambda value: {"_id": {"$in": value.split(",")}},
        "identifier": lambda value: _identifier(value, writer),
        "requester": lambda value: _requester(value, writer),
        "status": lambda value: _status(kind, value, writer),
        "_lastUpdated": _moment,
    }
    control: dict[str, Callable[[str], Any]] = {"_count": _count, "_sort": _sort, "_total": _total, "after": str}
    stated: dict[str, Any] = {}
    for name, value in used:
        try:
            if name in readers:
                filters.append(readers[name](value))
            elif name in control:
                stated[name] = control[name](value)
            else:
                errors.append(Error(pointer([name]), "unknown-parameter", UNKNOWN_PARAMETER, "query"))
        except ValueError:
            errors.append(Error(pointer([name]), "not-valid", NOT_VALID, "query"))
    if errors:
        raise Problem(400, "invalid", errors=errors)
    direction = stated.get("_sort", ASCENDING)
    after = decode(stated["after"]) if "after" in stated else None
    return Search(
        filters=filters,
        beyond=[] if after is None else [_beyond(after, direction)],
        part=Window(after, stated.get("_count", DEFAULT_LIMIT)),
        order=[("changed_at", direction), ("_id", direction)],
        counted=stated.get("_total", True),
        used=used,
    )


def only_identifier(condition: str, writer: Writer) -> str | None:
    """The value in `If-None-Exist: identifier=system|value`; None when it can be nobody's here. Raises Problem 400."""
    name, _, value = condition.lstrip("?").partition("=")
    if name != "identifier" or not value or "&" in value:
        error = Error("/If-None-Exist", "not-valid", NOT_VALID, "header")
        raise Problem(400, "malformed", errors=[error])
    return next(iter(_external_ids(value, writer)), None)


def _identifier(value: str, writer: Writer) -> Filter:
    return {"external_id": {"$in": _external_ids(value, writer)}}


def _external_ids(value: str, writer: Writer) -> list[str]:
    """Of `system|value,…` the values that can be this organisation's."""
    ours = writer.own.referrals(writer.organisation_id)
    tokens = (token.rpartition("|") for token in value.split(","))
    return [number for system, bar, number in tokens if not bar or system == ours]


def _requester(value: str, writer: Writer) -> Filter:
    ours = writer.organisation_id
    names = (ours, f"Organization/{ours}", f"{writer.base}/Organization/{ours}")
    return {} if any(one in names for one in value.split(",")) else NOTHING


def _status(kind: Kind, value: str, writer: Writer) -> Filter:
    said: Mapping[str, str] = codes.ORDER
    if kind == "Task":
        said = {state: fulfilment.status for state, fulfilment in codes.TASK[writer.profile].items()}
    wanted = {token.rpartition("|")[2] for token in value.split(",")}
    return {"state": {"$in": [state for state, status in said.items() if status in wanted]}}


def _moment(value: str) -> Filter:
    """`gt2026-03-02T08:00:00Z`: a value stands for all the time that it names, a day from 0 to 24 UTC."""
    prefix = value[:2] if value[:2] in _PREFIXES else "eq"
    text = value.removeprefix(prefix)
    if _DAY.fullmatch(text):
        low = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        high = low + timedelta(days=1)
    elif (found := _INSTANT.fullmatch(text)) is not None:
        low = datetime.fromisoformat(text)
        precision = timedelta(seconds=1) if found[1] else timedelta(minutes=1)
        high = low + (timedelta(milliseconds=1) if found[2] else precision)
    else:
        raise ValueError(value)
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


def _count(value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value[:9]) < 1:
        raise ValueError(value)
    return min(int(value[:9]), MAX_COUNT)


def _sort(value: str) -> int:
    if value.removeprefix("-") != "_lastUpdated":
        raise ValueError(value)
    return DESCENDING if value.startswith("-") else ASCENDING


def _total(value: str) -> bool:
    if value not in ("none", "estimate", "accurate"):
        raise ValueError(value)
    return value != "none"


def _beyond(after: Key, direction: int) -> Filter:
    try:
        moment, last = after
        at = datetime.fromisoformat(str(moment))
    except ValueError:
        raise Problem(400, "invalid", errors=wrong_cursor().errors) from None
    further = "$gt" if direction == ASCENDING else "$lt"
    return {"$or": [{"changed_at": {further: at}}, {"changed_at": at, "_id": {further: str(last)}}]}
