"""Organisations, their machine clients and the staff: who may come in."""

from datetime import UTC, date, datetime
from typing import Any, Literal

from polku_events import Aggregate, EventData
from polku_events.referral import ClientChanged, OrganisationChanged, StaffChanged
from polku_referral.model.agreements import Agreement

ROLES = ("coordinator", "coach", "manager", "referrer", "employer", "steering", "operator")
SCOPES = ("referrals:write", "referrals:read", "figures:read")
OF_REAL_PEOPLE = frozenset({"figures:read"})
"""Scopes that a client which only tries never has: what they open was not made by trials."""
KINDS = ("employment-area", "wellbeing-county", "project", "funder", "employer", "other")
FHIR_PROFILES = ("sdoh", "bser")
FROM_THE_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Organisation(Aggregate):
    """code: short and unique, as people type it in commands. business_id: the Finnish one (Y-tunnus), if any.

    aliases: what senders call it in forwarding and lists. valid_from, valid_until: days, both included.
    agreements: what it may send and hears of it; none means that nothing is restricted.
    fhir_profile: by which profile its FHIR messages are read and answered.
    """

    code: str
    name: str
    kind: str
    business_id: str | None = None
    aliases: tuple[str, ...] = ()
    valid_from: date | None = None
    valid_until: date | None = None
    fhir_profile: Literal["sdoh", "bser"] = "sdoh"
    agreements: tuple[Agreement, ...] = ()
    active: bool = True

    def is_open(self, today: date) -> bool:
        """Whether its machines may come in on this day."""
        begun = self.valid_from is None or self.valid_from <= today
        return self.active and begun and (self.valid_until is None or today <= self.valid_until)


class Client(Aggregate):
    """A machine of an organisation. keys: public JWKs (RFC 7517); several while one is being rotated.

    jwks_uri: where it publishes them instead. tokens_valid_from: access tokens that were issued earlier are void.
    suspended: its organisation may not come in at present. test: it tries out its integration with artificial
    people; nobody at the project sees or counts what it sends.
    """

    organisation_id: str
    name: str = ""
    scopes: tuple[str, ...]
    keys: tuple[dict[str, Any], ...] = ()
    jwks_uri: str | None = None
    active: bool = True
    suspended: bool = False
    tokens_valid_from: datetime = FROM_THE_BEGINNING

    @property
    def granted(self) -> tuple[str, ...]:
        """The scopes that its tokens may have."""
        return tuple(scope for scope in self.scopes if not (self.test and scope in OF_REAL_PEOPLE))


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


def announce_client(client: Client) -> tuple[Client, list[EventData]]:
    """The client's rights as they are now, said to all services; never its name or keys."""
    after = client.model_copy(update={"version": client.version + 1})
    event = ClientChanged(
        client_id=after.id,
        organisation_id=after.organisation_id,
        scopes=list(after.scopes),
        active=after.active and not after.suspended,
        tokens_valid_from=after.tokens_valid_from,
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
