"""Each service's own list of machine clients, fed by `polku.client.changed.v1`; every token is held against it.

A token proves itself, so a service that has not heard of a client yet lets it pass: tokens live ten minutes. What
was revoked is refused as soon as the event is here.
"""

import time
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from polku_events import Event
from polku_events.referral import ClientChanged
from polku_runtime.access.latest import keep_latest
from polku_runtime.access.principal import Principal
from polku_runtime.mongo import Database
from polku_runtime.outcomes import Handler, Outcome

COLLECTION = "clients"
FRESH_S = 1.0
"""A client that asks fifty times a second is looked up once; a revocation has five seconds in all."""


class KnownClient(BaseModel):
    """What a service needs to know of a machine. suspended: its organisation may not come in (the door's own list)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    active: bool
    suspended: bool = False
    tokens_valid_from: datetime | None = None

    def lets_in(self, issued_at: datetime | None) -> bool:
        """False for every token of a revoked client, and for one that was issued before they were made void."""
        if not self.active or self.suspended:
            return False
        return self.tokens_valid_from is None or (issued_at is not None and issued_at >= self.tokens_valid_from)


async def find_client(database: Database, client_id: str) -> KnownClient | None:
    document = await database[COLLECTION].find_one({"_id": client_id})
    return None if document is None else KnownClient.model_validate({**document, "id": document["_id"]})


def remember_client(database: Database) -> Handler:
    """The handler for ClientChanged that every consumer lists."""

    async def remember(event: Event) -> Outcome:
        data = event.data
        assert isinstance(data, ClientChanged)
        return await keep_latest(
            database, COLLECTION, data.client_id, event.version, data.model_dump(exclude={"client_id"})
        )

    return remember


class Clients:
    """The list as one API process asks it: each answer is kept for FRESH_S."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._found: dict[str, tuple[float, KnownClient | None]] = {}

    async def lets_in(self, who: Principal) -> bool:
        """Whether the client behind a token that verifies may still come in. Only such callers are remembered."""
        asked_at, known = self._found.get(who.id, (0.0, None))
        if not asked_at or time.monotonic() - asked_at > FRESH_S:
            asked_at, known = time.monotonic(), await find_client(self.database, who.id)
            self._found[who.id] = (asked_at, known)
        return known is None or known.lets_in(who.issued_at)
