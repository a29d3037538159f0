"""What changes in the database: its change stream, which goes on after trouble where it was, or says that it cannot."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import Timestamp
from pymongo.errors import PyMongoError

from polku_runtime.mongo import Database
from polku_runtime.trouble import name_of

LOG = logging.getLogger("polku.web.live")

RETRY_S = 1.0


@dataclass(frozen=True)
class Change:
    """One change. `at` is the database's cluster time as one integer: it grows, in every process alike."""

    collection: str
    id: str
    at: int


@dataclass(frozen=True)
class Opened:
    """The source starts, or starts again after a gap: nothing before `at` is known."""

    at: int


Source = Callable[[], AsyncIterator[Change | Opened]]


async def changes(database: Database, collections: Sequence[str]) -> AsyncIterator[Change | Opened]:
    """The database's change stream, for ever: goes on after trouble where it was, or says that it cannot."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"ns.coll": {"$in": list(collections)}}},
        {"$project": {"ns": 1, "documentKey": 1, "operationType": 1, "clusterTime": 1}},
    ]
    token: Mapping[str, Any] | None = None
    while True:
        flowed = False
        try:
            start: Timestamp | None = None
            if token is None:
                known: Timestamp = (await database.command("ping"))["operationTime"]
                start = Timestamp(known.time, known.inc + 1)  # the start is inclusive
                yield Opened(_position(known))
            stream = await database.watch(
                pipeline, resume_after=token, start_at_operation_time=start, max_await_time_ms=1000
            )
            async with stream:
                # A stream that was closed under us (a swallowed cancellation) answers None at once, for ever.
                while stream.alive:
                    change = await stream.try_next()
                    token = stream.resume_token
                    flowed = True
                    if change is not None and "documentKey" in change:
                        key = str(change["documentKey"]["_id"])
                        yield Change(change["ns"]["coll"], key, _position(change["clusterTime"]))
        except PyMongoError as error:
            LOG.warning("change stream lost, going on", extra={"error": name_of(error)})
            if not flowed and getattr(error, "code", None) is not None:
                token = None  # the server refuses to resume (its history is too short): start anew
        await asyncio.sleep(RETRY_S)


def _position(time: Timestamp) -> int:
    return (time.time << 32) | time.inc
