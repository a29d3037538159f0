"""The session: one encrypted cookie for the whole origin, opened by every service with a shared key ring.

Nothing is stored on a server, so people stay signed in when the door is down. A session ends by time
(below), by signing out, and at once when `sessions_valid_from` of the staff list passes its start.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=10)
RENEW_AFTER = timedelta(minutes=2)


@dataclass(frozen=True)
class Session:
    """started_at never moves; seen_at is renewed by use."""

    id: str
    staff_id: str
    started_at: datetime
    seen_at: datetime

    def needs_renewal(self, now: datetime) -> bool:
        return now - self.seen_at > RENEW_AFTER


class SessionSeal:
    """Seals and opens the cookie with a ring of Fernet keys, newest first: rotate by putting a new one in front."""

    def __init__(self, keys: str, base_url: str) -> None:
        self.ring = MultiFernet([Fernet(key.strip()) for key in keys.split(",")])
        self.secure = base_url.startswith("https://")
        # The __Host- prefix pins the cookie to the origin, but needs TLS (RFC 6265bis §4.1.3.2).
        self.cookie_name = "__Host-polku" if self.secure else "polku"

    def seal(self, session: Session) -> str:
        body = [session.id, session.staff_id, _ms(session.started_at), _ms(session.seen_at)]
        return self.ring.encrypt(json.dumps(body).encode()).decode()

    def open(self, cookie: str | None, now: datetime) -> Session | None:
        """The session if the cookie is ours and neither idle nor absolute time is over; else None."""
        if not cookie:
            return None
        try:
            session_id, staff_id, started, seen = json.loads(self.ring.decrypt(cookie.encode()))
        except (InvalidToken, ValueError, TypeError):
            return None
        session = Session(session_id, staff_id, _instant(started), _instant(seen))
        if now - session.seen_at > IDLE or now - session.started_at > ABSOLUTE:
            return None
        return session


def _ms(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
