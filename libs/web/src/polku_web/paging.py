"""Lists by cursor: `?after=…&limit=…`, and `Link: <…>; rel="next"` (RFC 8288).

A cursor names the last row that was seen by its sort key and id, so rows that come or go meanwhile shift nothing.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from polku_web.i18n import msg
from polku_web.problems import Error, Problem
from polku_web.strict_json import INT64

MAX_LIMIT = 200
DEFAULT_LIMIT = 50
MAX_CURSOR = 512

T = TypeVar("T")
Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Window:
    """What part of a list is asked for: rows after the key `after` (None: from the start), `limit` at most."""

    after: Key | None
    limit: int

    @property
    def fetch(self) -> int:
        """How many rows to read: one more than shown tells whether there is a next page."""
        return self.limit + 1


@dataclass(frozen=True)
class Page(Generic[T]):
    """Rows to show and the cursor of the next page, None on the last."""

    items: Sequence[T]
    next: str | None


def window(
    after: Annotated[str | None, Query(max_length=MAX_CURSOR, description="Cursor from Link or `next`")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows of a page, at most")] = DEFAULT_LIMIT,
) -> Window:
    """FastAPI dependency. A cursor that we did not make is 422."""
    return Window(None if after is None else decode(after), limit)


def page(rows: Sequence[T], asked: Window, key: Callable[[T], Key]) -> Page[T]:
    """Cuts `rows` (read with `asked.fetch`) to one page."""
    shown = rows[: asked.limit]
    more = len(rows) > asked.limit
    return Page(shown, encode(key(shown[-1])) if more and shown else None)


def encode(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(cursor: str) -> Key:
    """Raises Problem 422 for anything that `encode` did not make."""
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        key = None
    if not isinstance(key, list) or not key or not all(map(_is_part, key)):
        raise wrong_cursor()
    return tuple(key)


def wrong_cursor() -> Problem:
    """A cursor that we did not make, or that belongs to another list."""
    return Problem(422, "invalid", errors=[Error("/after", "cursor", msg("This cursor is not valid."), "query")])


def _is_part(part: object) -> bool:
    """True for what a database can compare with: text in UTF-8, or an integer of 64 bits."""
    if type(part) is int:
        return part in INT64
    return type(part) is str and not re.search("[\ud800-\udfff]", part)


def after_key(fields: Sequence[tuple[str, int]], key: Key | None) -> dict[str, Any]:
    """A MongoDB filter for the rows after `key` in the order of `fields`, pairs of name and 1 or -1.

    Raises Problem 422 when the cursor belongs to a list with another order.
    """
    if key is None:
        return {}
    if len(key) != len(fields):
        raise wrong_cursor()
    alternatives = []
    for place, (name, direction) in enumerate(fields):
        same = {other: key[i] for i, (other, _) in enumerate(fields[:place])}
        alternatives.append({**same, name: {"$gt" if direction > 0 else "$lt": key[place]}})
    return {"$or": alternatives}


def next_href(request: Request, cursor: str | None) -> str | None:
    """The address of the next page, relative to the origin; None on the last."""
    if cursor is None:
        return None
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    return f"{request.url.path}?{urlencode([*query, ('after', cursor)])}"


def link(request: Request, response: Response, cursor: str | None) -> None:
    """Adds `Link: rel="next"` when there is a next page."""
    address = next_href(request, cursor)
    if address is not None:
        response.headers["link"] = f'<{address}>; rel="next"'
