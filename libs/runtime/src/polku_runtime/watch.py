"""One change stream on a service's own database, used only to wake somebody. A lost wake only delays."""

import logging
from collections.abc import Callable, Sequence

from pymongo.errors import PyMongoError

from polku_runtime.mongo import Database, Document
from polku_runtime.trouble import name_of
from polku_runtime.waking import heed_cancellation, pause

RETRY_S = 1.0

log = logging.getLogger(__name__)


async def watch(database: Database, collections: Sequence[str], seen: Callable[[Document], None]) -> None:
    """Calls `seen` with {collection, id, operation} for each change in `collections`, until cancelled.

    After trouble it starts anew from the present and calls `seen` once per collection without an id, so that
    whoever was woken looks for himself.
    """
    pipeline: list[Document] = [
        {"$match": {"ns.coll": {"$in": list(collections)}}},
        {"$project": {"ns": 1, "documentKey": 1, "operationType": 1}},
    ]
    while True:
        try:
            # The stream is read without the driver's overall timeout: waiting for changes is its work.
            async with await database.watch(pipeline, max_await_time_ms=1000) as stream:
                for name in collections:
                    seen({"collection": name, "id": None, "operation": "restart"})
                # A stream that was closed under us answers None at once, for ever: `alive` ends the loop.
                while stream.alive:
                    heed_cancellation()
                    change = await stream.try_next()
                    if change is not None:
                        seen(
                            {
                                "collection": change["ns"]["coll"],
                                "id": change.get("documentKey", {}).get("_id"),
                                "operation": change["operationType"],
                            }
                        )
        except PyMongoError as error:
            log.warning("change stream lost, starting again", extra={"error": name_of(error)})
        await pause(RETRY_S)
