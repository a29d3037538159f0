"""The door of a running service: sessions opened with the shared key ring, staff and clients looked up."""

import hashlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from starlette.requests import Request

from polku_runtime.access import (
    Clients,
    NoKeys,
    Principal,
    Session,
    SessionSeal,
    TokenError,
    TokenVerifier,
    find_staff,
)
from polku_runtime.access.tokens import FetchKeys, fetch_from
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database
from polku_runtime.settings import Settings
from polku_web.doors import Visit
from polku_web.problems import unavailable

OnRefused = Callable[[TokenError], Awaitable[None]]
log = logging.getLogger(__name__)


async def log_refused(refused: TokenError) -> None:
    """Where nobody keeps an audit trail a refused token is a line of the log."""
    log.warning("access token refused", extra={"reason": refused.reason})


@dataclass(frozen=True)
class ServiceDoor:
    """Implements `doors.Door` over the service's own lists of staff and clients. on_refused: hears why, and of whom."""

    database: Database
    seal: SessionSeal
    verifier: TokenVerifier
    effects: Effects
    csrf_keys: Sequence[bytes]
    clients: Clients
    on_refused: OnRefused = log_refused

    async def visit(self, request: Request) -> Visit | None:
        now = self.effects.now()
        session = self.seal.open(request.cookies.get(self.seal.cookie_name), now)
        if session is None:
            return None
        member = await find_staff(self.database, session.staff_id)
        principal = member.principal(session) if member is not None else None
        if principal is None:
            return None
        # A live stream only listens: it must not keep a session awake that nobody uses.
        renew = session.needs_renewal(now) and not request.url.path.endswith("/live")
        cookie = set_cookie(self.seal, replace(session, seen_at=now)) if renew else None
        return Visit(principal, session.id, cookie)

    async def client(self, token: str) -> Principal | None:
        try:
            who = await self.verifier.verify(token)
        except TokenError as refused:
            await self.on_refused(refused)
            return None
        except NoKeys:
            # By 401 a sender would fetch a new token and try again for ever, though its token may be good.
            raise unavailable() from None
        if await self.clients.lets_in(who):
            return who
        await self.on_refused(TokenError("revoked", who.id))
        return None


def open_door(
    settings: Settings,
    database: Database,
    effects: Effects,
    fetch_keys: FetchKeys | None = None,
    on_refused: OnRefused = log_refused,
) -> ServiceDoor:
    """The door as `settings` describe it. `fetch_keys` replaces asking the issuer over HTTP."""
    ring = settings.session_keys.get_secret_value()
    verifier = TokenVerifier(
        issuer=settings.base_url,
        audience=settings.base_url,
        fetch=fetch_keys or fetch_from(settings.keys_url),
        now=lambda: int(effects.now().timestamp()),
    )
    csrf_keys = [hashlib.sha256(b"csrf:" + key.strip().encode()).digest() for key in ring.split(",")]
    seal = SessionSeal(ring, settings.base_url)
    return ServiceDoor(database, seal, verifier, effects, csrf_keys, Clients(database), on_refused)


def set_cookie(seal: SessionSeal, session: Session) -> str:
    """The value of a Set-Cookie header that starts or renews a session."""
    return f"{seal.cookie_name}={seal.seal(session)}; Path=/; HttpOnly; SameSite=Lax" + _secure(seal)


def clear_cookie(seal: SessionSeal) -> str:
    """The value of a Set-Cookie header that ends the session in this browser."""
    return f"{seal.cookie_name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax" + _secure(seal)


def _secure(seal: SessionSeal) -> str:
    return "; Secure" if seal.secure else ""
