"""What an insert of many says, and what it must not be taken for."""

from typing import Any

import pytest
from pymongo.errors import BulkWriteError, OperationFailure, WTimeoutError

from polku_runtime.mongo import Client, is_unavailable, only_duplicates, transaction_lifetime

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


async def test_how_long_a_transaction_may_be_open_is_asked(mongo_client: Client) -> None:
    assert (await transaction_lifetime(mongo_client) or 0) > 0


async def test_who_may_not_ask_is_not_told(mongo_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: object) -> None:
        raise OperationFailure("not authorized on admin to execute command", 13)

    monkeypatch.setattr(type(mongo_client.admin), "command", refused)
    assert await transaction_lifetime(mongo_client) is None
