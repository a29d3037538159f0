"""Cursor lists: every row once, whatever the page size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from polku_web.paging import Window, after_key, decode, encode, link, page
from polku_web.problems import Problem

KEYS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 99)), unique=True, max_size=30)


@given(rows=KEYS, limit=st.integers(1, 7))
def test_pages_hold_every_row_once_in_order(rows: list[tuple[int, int]], limit: int) -> None:
    ordered = sorted(rows)
    seen: list[tuple[int, int]] = []
    cursor = None
    while True:
        asked = Window(None if cursor is None else decode(cursor), limit)
        left = [row for row in ordered if asked.after is None or row > asked.after]
        found = page(left[: asked.fetch], asked, key=lambda row: row)
        seen += found.items
        cursor = found.next
        if cursor is None:
            break
    assert seen == ordered


def test_the_filter_goes_on_after_the_key() -> None:
    fields = [("answer_due", 1), ("_id", -1)]
    assert after_key(fields, None) == {}
    assert after_key(fields, ("2026-03-02", "x")) == {
        "$or": [{"answer_due": {"$gt": "2026-03-02"}}, {"answer_due": "2026-03-02", "_id": {"$lt": "x"}}]
    }
    with pytest.raises(Problem):
        after_key(fields, ("x",))


NO_CURSORS = ("", "!", "e30", "W10", "W251bGxd", "W3siJGd0IjoiIn1d", "W3RydWVd", "bm9uc2Vuc2U", "ä")
NO_KEYS = ((2**63,), (-(2**63) - 1,), ("a\ud800",))


@pytest.mark.parametrize("cursor", [*NO_CURSORS, *map(encode, NO_KEYS)])
def test_a_cursor_that_we_did_not_make_is_422(cursor: str) -> None:
    with pytest.raises(Problem) as refused:
        decode(cursor)
    assert refused.value.status == 422


def test_the_link_keeps_the_question() -> None:
    cursor = encode(("2026-03-02", "x"))
    request = Request({"type": "http", "method": "GET", "path": "/demo/api/v1/things", "headers": [],
                       "query_string": b"state=received&after=old&limit=5"})  # fmt: skip
    response = Response()
    link(request, response, cursor)
    assert response.headers["link"] == f'</demo/api/v1/things?state=received&limit=5&after={cursor}>; rel="next"'
    link(request, last := Response(), None)
    assert "link" not in last.headers
