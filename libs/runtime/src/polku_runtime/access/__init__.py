"""Who is asking: principals, the origin-wide session, machine tokens, and each service's lists of staff and clients."""

from polku_runtime.access.clients import Clients, KnownClient, find_client, remember_client
from polku_runtime.access.principal import ROLES, Principal
from polku_runtime.access.sessions import Session, SessionSeal
from polku_runtime.access.staff import StaffMember, find_staff, remember_staff
from polku_runtime.access.tokens import NoKeys, TokenError, TokenVerifier

__all__ = [
    "ROLES",
    "Clients",
    "KnownClient",
    "NoKeys",
    "Principal",
    "Session",
    "SessionSeal",
    "StaffMember",
    "TokenError",
    "TokenVerifier",
    "find_client",
    "find_staff",
    "remember_client",
    "remember_staff",
]
