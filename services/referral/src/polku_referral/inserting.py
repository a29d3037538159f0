"""Inserting many new documents: each by itself, or all of several collections or nothing.

What an index refuses is an answer here, no error: somebody else was faster.
"""

from collections.abc import Mapping, Sequence

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError

from polku_runtime.mongo import Database, Document, only_duplicates, transaction


async def insert_each(database: Database, name: str, rows: Sequence[Document]) -> dict[int, str]:
    """Inserts all that are new; answers the places of those that were refused, and by which index."""
    if not rows:
        return {}
    try:
        await database[name].insert_many(rows, ordered=False)
    except BulkWriteError as error:
        # errmsg: "… index: lookup dup key: …"; only the name of the index is taken from it
        return {p["index"]: p["errmsg"].split("index: ", 1)[1].split(" ", 1)[0] for p in only_duplicates(error)}
    return {}


async def insert_whole(database: Database, wanted: Mapping[str, Sequence[Document]]) -> bool:
    """Inserts all, or nothing where an index refuses one: False then. wanted: collection → documents."""

    async def once(session: AsyncClientSession) -> None:
        for name, rows in wanted.items():
            if rows:
                await database[name].insert_many(rows, session=session)

    try:
        await transaction(database.client, once)
    except BulkWriteError as error:
        only_duplicates(error)
        return False
    return True
