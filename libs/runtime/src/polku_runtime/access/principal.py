"""The one shape in which every caller, a person or a machine, meets the services' rules."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

ROLES = ("coordinator", "coach", "manager", "referrer", "employer", "steering", "operator")


class Principal(BaseModel):
    """Who asks. A staff member has roles, a machine client has scopes; never both. test: a client that only tries.

    issued_at: when a client's token was issued.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["staff", "client"]
    id: str
    organisation_id: str | None = None
    roles: frozenset[str] = frozenset()
    programmes: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    session_id: str | None = None
    test: bool = False
    issued_at: datetime | None = None

    def has_role(self, *roles: str) -> bool:
        return not self.roles.isdisjoint(roles)

    def has_scope(self, *scopes: str) -> bool:
        return not self.scopes.isdisjoint(scopes)
