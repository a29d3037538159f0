"""What an insert of many says, and what it must not be taken for."""

from typing import Any

import pytest
from pymongo.errors import BulkWriteError, WTimeoutError

from polku_runtime.mongo import is_unavailable, only_duplicates

TWICE = {"index": 0, "code": 11000, "errmsg": "E11000 duplicate key error"}
INVALID = {"index": 1, "code": 121, "errmsg": "Document failed validation"}
UNMET = {"code": 64, "errmsg": "waiting for replication timed out"}


def met(*problems: dict[str, Any], unmet: tuple[dict[str, Any], ...] = ()) -> BulkWriteError:
    return BulkWriteError({"writeErrors": list(problems), "writeConcernErrors": list(unmet)})


def test_duplicates_alone_are_an_answer() -> None:
    assert only_duplicates(met(TWICE)) == [TWICE]


def test_any_other_error_is_raised() -> None:
    with pytest.raises(BulkWriteError):
        only_duplicates(met(TWICE, INVALID))


@pytest.mark.parametrize("problems", [(), (TWICE,)])
def test_rows_that_the_majority_does_not_have_are_not_kept(problems: tuple[dict[str, Any], ...]) -> None:
    with pytest.raises(WTimeoutError) as raised:
        only_duplicates(met(*problems, unmet=(UNMET,)))
    assert is_unavailable(raised.value)
