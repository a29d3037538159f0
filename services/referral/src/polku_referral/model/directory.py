"""Organisations, their machine clients and the staff: who may come in."""

from datetime import datetime
from typing import Any

from polku_events import Aggregate, EventData
from polku_events.referral import OrganisationChanged, StaffChanged

ROLES = ("coordinator", "coach", "manager", "referrer", "employer", "steering", "operator")
SCOPES = ("referrals:write", "referrals:read", "figures:read")
KINDS = ("employment-area", "wellbeing-county", "project", "funder", "employer", "other")


class Organisation(Aggregate):
    """code: short and unique, as people type it in commands."""

    code: str
    name: str
    kind: str
    active: bool = True


class Client(Aggregate):
    """A machine of an organisation. keys: public JWKs (RFC 7517); several while one is being rotated.

    test: it tries out its integration with artificial people; nobody at the project sees or counts what it sends.
    """

    organisation_id: str
    scopes: tuple[str, ...]
    keys: tuple[dict[str, Any], ...]
    active: bool = True


class Staff(Aggregate):
    """A person who signs in. password: argon2id hash, None until one is set by the one-time link."""

    login: str
    name: str
    roles: tuple[str, ...]
    organisation_id: str | None = None
    programmes: tuple[str, ...] = ()
    active: bool = True
    sessions_valid_from: datetime
    password: str | None = None


def announce_organisation(organisation: Organisation) -> tuple[Organisation, list[EventData]]:
    """The organisation as it is now, said to all services."""
    after = organisation.model_copy(update={"version": organisation.version + 1})
    event = OrganisationChanged(
        organisation_id=after.id, code=after.code, name=after.name, kind=after.kind, active=after.active
    )
    return after, [event]


def announce_staff(staff: Staff) -> tuple[Staff, list[EventData]]:
    """The staff member's rights as they are now, said to all services; never the name or the login."""
    after = staff.model_copy(update={"version": staff.version + 1})
    event = StaffChanged(
        staff_id=after.id,
        roles=list(after.roles),
        organisation_id=after.organisation_id,
        programmes=list(after.programmes),
        active=after.active,
        sessions_valid_from=after.sessions_valid_from,
    )
    return after, [event]
