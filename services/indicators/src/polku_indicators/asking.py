"""What API and pages share: whose programme it is, which moment is meant, and the figures of it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from pydantic_core import PydanticCustomError
from starlette.requests import Request

from polku_indicators.model.figures import Figure, figures
from polku_indicators.model.plan import Plan
from polku_indicators.model.rules import Rules
from polku_indicators.past import Past, past
from polku_indicators.repository import Store
from polku_indicators.repository.reading import counters_of
from polku_runtime.access import Principal
from polku_web.formats import local_day
from polku_web.i18n import msg
from polku_web.problems import Problem

FIGURE_ROLES = ("manager", "coordinator", "steering")
PERSON_ROLES = ("manager", "coordinator")
"""Who may see the persons behind a figure. Steering and machines get figures only."""
FIGURE_SCOPES = ("figures:read",)

EARLIEST, LATEST = date(2000, 1, 1), date(2199, 12, 31)
"""No programme is outside; days further off would overflow in time zones and in the database."""
OUTSIDE = msg("Choose a day between 2000 and 2199.")


def within_reach(day: date) -> date:
    """For pydantic. Refuses a day or an instant that no programme can mean, with the code `out-of-range`."""
    plain = day.replace(tzinfo=UTC).date() if isinstance(day, datetime) else day
    if not EARLIEST <= plain <= LATEST:
        raise PydanticCustomError("out-of-range", OUTSIDE.msgid)
    return day


@dataclass(frozen=True)
class Moment:
    """Which figures are meant. day: what had happened by it. known: what had been recorded by it. None: now."""

    day: date | None = None
    known: datetime | None = None

    @property
    def is_past(self) -> bool:
        return self.day is not None or self.known is not None


@dataclass(frozen=True)
class Shown:
    """The figures of one programme at one moment. then: the states of another moment. day: the day they are of."""

    plan: Plan
    figures: list[Figure]
    moment: Moment
    then: Past | None
    day: date
    known: datetime
    updated_at: datetime | None
    rule_version: str


def store_of(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def rules_of(request: Request) -> Rules:
    rules: Rules = request.app.state.rules
    return rules


def plans_for(request: Request, who: Principal) -> list[Plan]:
    """Programmes that the caller may see: their own for staff, all for a machine with the scope."""
    plans = rules_of(request).plans.values()
    return [plan for plan in plans if who.kind == "client" or plan.programme in who.programmes]


def plan_for(request: Request, who: Principal, programme: str) -> Plan:
    """Raises Problem 404 for a programme that does not exist or is not the caller's: the two look the same."""
    found = next((plan for plan in plans_for(request, who) if plan.programme == programme), None)
    if found is None:
        raise Problem(404, "not-found")
    return found


def known_code(request: Request, code: str) -> str:
    """Raises Problem 404 for a figure that has no members."""
    definitions = rules_of(request).definitions
    if code not in {item.code for item in (*definitions.figures, *definitions.tallies)}:
        raise Problem(404, "not-found")
    return code


async def figures_at(request: Request, plan: Plan, moment: Moment) -> Shown:
    """The figures: from the counters for now, folded from the facts for another moment."""
    store, rules = store_of(request), rules_of(request)
    now = request.app.state.effects.now()
    day = moment.day or local_day(now)
    before = await then(request, moment)
    if before is not None:
        counters, updated_at = before.counters(rules, plan.programme), None
    else:
        counted = await counters_of(store, plan.programme)
        counters, updated_at = counted.counters, counted.updated_at
    return Shown(
        plan=plan,
        figures=figures(counters, rules, plan, day),
        moment=moment,
        then=before,
        day=day,
        known=moment.known or now,
        updated_at=updated_at,
        rule_version=rules.version,
    )


async def then(request: Request, moment: Moment) -> Past | None:
    """The states of the moment; None when the live ones are meant."""
    return await past(store_of(request), moment.day, moment.known) if moment.is_past else None
