"""Who is asking: principals, the origin-wide session, machine tokens, and each service's own staff list."""

from polku_runtime.access.principal import ROLES, Principal
from polku_runtime.access.sessions import Session, SessionSeal
from polku_runtime.access.staff import StaffMember, find_staff, remember_staff
from polku_runtime.access.tokens import TokenError, TokenVerifier

__all__ = [
    "ROLES",
    "Principal",
    "Session",
    "SessionSeal",
    "StaffMember",
    "TokenError",
    "TokenVerifier",
    "find_staff",
    "remember_staff",
]
