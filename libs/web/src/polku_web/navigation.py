"""The four services as a reader meets them: which links the top of a page shows, by role."""

from dataclasses import dataclass

from polku_runtime.access import Principal
from polku_web.i18n import Message, msg


@dataclass(frozen=True)
class Item:
    href: str
    label: Message
    current: bool


_PLACES: tuple[tuple[str, Message, frozenset[str]], ...] = (
    ("/referral/", msg("Inbox"), frozenset({"coordinator", "manager"})),
    ("/referral/", msg("Our referrals"), frozenset({"referrer"})),
    ("/referral/organisations", msg("Organisations"), frozenset({"manager", "operator"})),
    ("/pathway/", msg("Case-load"), frozenset({"coordinator", "manager"})),
    ("/activities/", msg("Sessions"), frozenset({"coordinator", "coach", "manager"})),
    ("/indicators/", msg("Dashboard"), frozenset({"coordinator", "manager", "steering"})),
)


def items_for(principal: Principal | None, path: str) -> list[Item]:
    """Links to the places that the reader's roles open. path: of the page; the nearest place is marked as current."""
    roles = set(principal.roles) if principal is not None and principal.kind == "staff" else set()
    places = [(href, label) for href, label, open_to in _PLACES if roles & open_to]
    here = max((href for href, _ in places if path.startswith(href)), key=len, default="")
    return [Item(href, label, href == here) for href, label in places]


def home(principal: Principal | None) -> str:
    """Where `/` leads: the first place that the reader's roles open, else the sign-in page."""
    found = items_for(principal, "")
    if principal is not None and set(principal.roles) & {"manager", "steering"}:
        found.reverse()  # who steers starts from the figures
    return found[0].href if found else "/referral/sign-in"
