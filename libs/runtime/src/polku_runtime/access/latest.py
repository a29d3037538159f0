"""What a service remembers of another's aggregate: the newest state, since each event carries the whole of it."""

from collections.abc import Mapping
from typing import Any

from pymongo.errors import DuplicateKeyError

from polku_runtime.mongo import Database
from polku_runtime.outcomes import Outcome


async def keep_latest(
    database: Database, collection: str, subject_id: str, version: int, state: Mapping[str, Any]
) -> Outcome:
    """Writes the state unless a newer version is there already; an older one that comes late is nothing."""
    try:
        await database[collection].update_one(
            {"_id": subject_id, "version": {"$lt": version}}, {"$set": {**state, "version": version}}, upsert=True
        )
    except DuplicateKeyError:
        return Outcome.DUPLICATE
    return Outcome.APPLIED
