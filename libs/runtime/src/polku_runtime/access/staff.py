"""Each service's own list of staff, fed by `polku.staff.changed.v1`; every request looks here.

The event carries the whole state, so the newest version wins and an older one that comes late is nothing.
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from polku_events import Event
from polku_events.referral import StaffChanged
from polku_runtime.access.latest import keep_latest
from polku_runtime.access.principal import Principal
from polku_runtime.access.sessions import Session
from polku_runtime.mongo import Database
from polku_runtime.outcomes import Handler, Outcome

COLLECTION = "staff"


class StaffMember(BaseModel):
    """What a service needs to know of a colleague: rights, not the name."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    roles: frozenset[str]
    organisation_id: str | None = None
    programmes: frozenset[str] = frozenset()
    active: bool
    sessions_valid_from: datetime

    def principal(self, session: Session) -> Principal | None:
        """The caller behind a session; None when the person has left or the session was ended."""
        if not self.active or session.started_at < self.sessions_valid_from:
            return None
        return Principal(
            kind="staff",
            id=self.id,
            organisation_id=self.organisation_id,
            roles=self.roles,
            programmes=self.programmes,
            session_id=session.id,
        )


async def find_staff(database: Database, staff_id: str) -> StaffMember | None:
    document = await database[COLLECTION].find_one({"_id": staff_id})
    return None if document is None else StaffMember.model_validate({**document, "id": document["_id"]})


def remember_staff(database: Database) -> Handler:
    """The handler for StaffChanged that every consumer lists."""

    async def remember(event: Event) -> Outcome:
        data = event.data
        assert isinstance(data, StaffChanged)
        return await keep_latest(
            database, COLLECTION, data.staff_id, event.version, data.model_dump(exclude={"staff_id"})
        )

    return remember
