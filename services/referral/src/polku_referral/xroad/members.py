"""X-Road members that may come in, and what for."""

from typing import NamedTuple

from pymongo import ASCENDING

from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document


class Member(NamedTuple):
    """name: `FI-TEST/MUN/1234567-8/Subsystem`. client_id: by which it is known in referrals and the audit trail.

    test: it tries out its integration with artificial people, as `Client.test`.
    """

    name: str
    client_id: str
    organisation_id: str
    scopes: tuple[str, ...]
    test: bool = False
    active: bool = True


class Members:
    """The collection `xroad_clients`: plain documents, since no other service hears of them."""

    def __init__(self, database: Database, effects: Effects) -> None:
        self.rows = database["xroad_clients"]
        self.effects = effects

    async def create_indexes(self) -> None:
        await self.rows.create_index([("client_id", ASCENDING)], unique=True)

    async def get(self, name: str) -> Member | None:
        found = await self.rows.find_one({"_id": name})
        return None if found is None else _read(found)

    async def register(self, name: str, organisation_id: str, scopes: tuple[str, ...], *, test: bool) -> Member:
        """Lets a member in, or changes what for; it keeps its client id."""
        known = await self.get(name)
        client_id = known.client_id if known else self.effects.new_id()
        fresh = Member(name, client_id, organisation_id, scopes, test)
        said = {**fresh._asdict(), "scopes": list(scopes)}
        del said["name"]
        await self.rows.replace_one({"_id": name}, said, upsert=True)
        return fresh

    async def shut_out(self, name: str) -> None:
        """From the next request on."""
        await self.rows.update_one({"_id": name}, {"$set": {"active": False}})

    async def of(self, organisation_id: str) -> list[Member]:
        """An organisation's members by name."""
        rows = self.rows.find({"organisation_id": organisation_id}).sort("_id", ASCENDING)
        return [_read(row) async for row in rows]


def _read(row: Document) -> Member:
    return Member(
        name=row["_id"],
        client_id=row["client_id"],
        organisation_id=row["organisation_id"],
        scopes=tuple(row["scopes"]),
        test=row["test"],
        active=row["active"],
    )
