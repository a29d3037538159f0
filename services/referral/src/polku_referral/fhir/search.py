"""What a search asks for as a whole: which referrals, in which order, how many of them, counted or not.

Unknown parameters are refused: one that is misspelt must not find everything.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from pymongo import ASCENDING, DESCENDING

from polku_referral.fhir import criteria
from polku_referral.fhir.criteria import Filter, Kind
from polku_referral.fhir.negotiation import ABOUT_THE_ANSWER, unknown_parameter
from polku_referral.fhir.writing import Writer
from polku_referral.texts import WRONG
from polku_web.i18n import msg
from polku_web.paging import DEFAULT_LIMIT, Key, Window, decode, wrong_cursor
from polku_web.problems import Error, Problem, pointer

MAX_COUNT = 100
"""Resources to a page: each is held against its definition, and nobody else's request should wait for more of that."""
MAX_PARAMETERS = 20
"""MongoDB holds each against every referral in question, and finds no plan for hundreds of them within its time."""
Given = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Search:
    """filters: all must hold; beyond: too, for what comes after the cursor. order: of MongoDB. counted: whether the
    total is wanted; only_total: nothing but that. given: what is in `self`.
    """

    filters: list[Filter]
    beyond: list[Filter]
    part: Window
    order: list[tuple[str, int]]
    counted: bool
    only_total: bool
    given: Given

    def link(self, address: str, after: str | None = None) -> str:
        """The address of this part of what was found, or of the one after a cursor."""
        given = [(name, value) for name, value in self.given if after is None or name != "after"]
        query = urlencode(given + ([("after", after)] if after is not None else []))
        return f"{address}?{query}" if query else address


def asked(kind: Kind, given: Given, writer: Writer) -> Search:
    """given: names and values, of the address and of a form. Raises Problem 400 with every parameter that is not
    known or not understood, or when there are too many.
    """
    if len(given) > MAX_PARAMETERS:
        raise Problem(400, "invalid", msg("Ask with %(limit)s parameters at most.", limit=MAX_PARAMETERS))
    filters: list[Filter] = []
    errors: list[Error] = []
    readers: dict[str, Callable[[str], Filter]] = {
        "_id": criteria.ids,
        "identifier": lambda value: criteria.identifiers(value, writer),
        "requester": lambda value: criteria.requester(value, writer),
        "status": lambda value: criteria.status(kind, value, writer),
        "_lastUpdated": criteria.moments,
    }
    control: dict[str, Callable[[str], Any]] = {
        "_count": _count,
        "_sort": _sort,
        "_summary": _summary,
        "_total": _total,
        "after": decode,
    }
    stated: dict[str, Any] = {}
    for name, value in given:
        try:
            if name in readers:
                filters.append(readers[name](value))
            elif name in stated:  # which of the two is meant is anybody's guess
                errors.append(not_valid(name))
            elif name in control:
                stated[name] = control[name](value)
            elif name not in ABOUT_THE_ANSWER:
                errors.append(unknown_parameter(name))
        except ValueError:
            errors.append(not_valid(name))
        except Problem as problem:
            errors += problem.errors
    if errors:
        raise Problem(400, "invalid", errors=errors)
    direction = stated.get("_sort", ASCENDING)
    after, count = stated.get("after"), stated.get("_count", DEFAULT_LIMIT)
    only_total = stated.get("_summary", False) or count == 0
    return Search(
        filters=filters,
        beyond=[] if after is None else _beyond(after, direction),
        part=Window(after, count),
        order=[("changed_at", direction), ("_id", direction)],
        counted=only_total or stated.get("_total", True),
        only_total=only_total,
        given=given,
    )


def not_valid(name: str) -> Error:
    return Error(pointer([name]), "not-valid", WRONG["not-valid"], "query")


def _count(value: str) -> int:
    """0 asks for the total alone, as FHIR has it."""
    if not value.isascii() or not value.isdigit():
        raise ValueError(value)
    return min(int(value[:9]), MAX_COUNT)


def _sort(value: str) -> int:
    if value.removeprefix("-") != "_lastUpdated":
        raise ValueError(value)
    return DESCENDING if value.startswith("-") else ASCENDING


def _summary(value: str) -> bool:
    """Whether the total alone is wanted."""
    if value not in ("count", "false"):
        raise ValueError(value)
    return value == "count"


def _total(value: str) -> bool:
    if value not in ("none", "estimate", "accurate"):
        raise ValueError(value)
    return value != "none"


def _beyond(after: Key, direction: int) -> list[Filter]:
    try:
        moment, last = after
        at = datetime.fromisoformat(str(moment)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Problem(400, "invalid", errors=wrong_cursor().errors) from None
    further = "$gt" if direction == ASCENDING else "$lt"
    # The first alone says no more than the second, but by it the index is entered at the cursor and not at its end.
    return [
        {"changed_at": {f"{further}e": at}},
        {"$or": [{"changed_at": {further: at}}, {"changed_at": at, "_id": {further: str(last)}}]},
    ]
