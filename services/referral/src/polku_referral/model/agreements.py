"""What was agreed with an organisation: what it may send from when to when, and what goes back to it."""

from collections.abc import Collection, Sequence
from datetime import date

from pydantic import BaseModel, ConfigDict

from polku_events.refusals import Refused, Wrong
from polku_referral.model.telling import RETURNS

FIELDS = ("programme", "route", "service")


class Agreement(BaseModel):
    """programmes, routes, services: codes; an empty list leaves that open. returns: keys of RETURNS.

    starts_on, ends_on: days, both included; without an end it goes on.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    programmes: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    returns: tuple[str, ...] = tuple(RETURNS)
    starts_on: date
    ends_on: date | None = None

    def is_in_force(self, today: date) -> bool:
        return self.starts_on <= today and (self.ends_on is None or today <= self.ends_on)

    def misfits(self, programme: str, route: str, service: str) -> list[str]:
        """The fields of a referral that the agreement does not cover."""
        said = zip(FIELDS, (programme, route, service), (self.programmes, self.routes, self.services), strict=True)
        return [name for name, code, agreed in said if agreed and code not in agreed]


def check_agreed(
    agreements: Sequence[Agreement],
    *,
    programme: str,
    route: str,
    service: str,
    today: date,
    unknown: Collection[str] = (),
) -> None:
    """Raises Refused `not-agreed` with the fields that keep a referral from the agreement that comes nearest.

    An organisation without any agreement is not restricted; one whose agreements are all over, or have not begun,
    sends nothing. unknown: fields whose code is still to be mapped; they fit for now.
    """
    if not agreements:
        return
    in_force = [agreement for agreement in agreements if agreement.is_in_force(today)]
    if not in_force:
        raise Refused("not-agreed", [Wrong(field, "no-agreement-in-force") for field in FIELDS])
    found = [
        [field for field in agreement.misfits(programme, route, service) if field not in unknown]
        for agreement in in_force
    ]
    if all(found):
        raise Refused("not-agreed", [Wrong(field, "not-agreed") for field in min(found, key=len)])


def what_returns(agreements: Sequence[Agreement], today: date) -> frozenset[str]:
    """Keys of RETURNS that go back to the sender: all without agreements, else what those in force let go.

    When none is in force any more the last one goes on telling what came of the referrals sent under it.
    """
    if not agreements:
        return frozenset(RETURNS)
    begun = sorted((one for one in agreements if one.starts_on <= today), key=lambda one: one.starts_on)
    telling = [one for one in begun if one.is_in_force(today)] or begun[-1:]
    return frozenset(name for agreement in telling for name in agreement.returns)
