"""How a caller hears that an address will go: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594), docs/versions.md.

    @router.get("/old", dependencies=[Depends(deprecated(date(2027, 1, 1), sunset=date(2028, 1, 1), see="…/new"))])

The OpenAPI document marks such an operation as deprecated by itself.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime

from starlette.requests import Request

NOTICE = timedelta(days=365)
"""A deprecated address lives at least this long."""


@dataclass(frozen=True)
class Deprecated:
    """A FastAPI dependency. Every answer of the route carries `headers`, a refusal too."""

    headers: dict[str, str] = field(hash=False)

    async def __call__(self, request: Request) -> None:
        tell(request, self.headers)


def deprecated(since: date, *, sunset: date, see: str) -> Deprecated:
    """since: from when on it should not be used any more. sunset: the first day without it. see: what to use instead.

    Raises ValueError when the notice is shorter than a year.
    """
    if sunset - since < NOTICE:
        raise ValueError("an address lives for a year after it was deprecated")
    return Deprecated(
        {
            "deprecation": f"@{int(_midnight(since).timestamp())}",
            "sunset": format_datetime(_midnight(sunset), usegmt=True),
            "link": f'<{see}>; rel="successor-version"',
        }
    )


def tell(request: Request, headers: dict[str, str]) -> None:
    """Has the edge send these headers beside those of the answer, whatever it is."""
    request.state.headers = {**getattr(request.state, "headers", {}), **headers}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
