"""What a list of sessions is asked for, the same from a page and from the API."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal

from fastapi import Depends, Query

from polku_activities.desk import Desk
from polku_activities.model.session import Session
from polku_activities.repository import Wanted, order_of, scope_of
from polku_runtime.access import Principal
from polku_web.formats import HELSINKI
from polku_web.paging import Page, Window, after_key, page, window, wrong_cursor

State = Literal["planned", "held", "cancelled", ""]
Period = Literal["today", "week", "all"]


@dataclass(frozen=True)
class Asked:
    """The query of a list. period: of the start, in Helsinki's days; a week begins on Monday."""

    state: State
    period: Period
    activity: str
    whose: str

    def wanted(self, today: date, who: Principal) -> Wanted:
        first, days = (today, 1) if self.period == "today" else (today - timedelta(days=today.weekday()), 7)
        bounded = self.period != "all"
        return Wanted(
            state=self.state,
            activity=self.activity,
            coach_id={"all": "", "own": who.id}.get(self.whose, self.whose),
            from_=_start_of(first) if bounded else None,
            until=_start_of(first + timedelta(days=days)) if bounded else None,
        )


def asked(
    state: Annotated[State, Query()] = "",
    period: Annotated[Period, Query(description="Sessions that start today, this week, or whenever")] = "week",
    activity: Annotated[str, Query(max_length=40)] = "",
    whose: Annotated[
        str,
        Query(
            pattern=r"^(own|all|[0-9a-f-]{36})$",
            description="`own`: led by the reader; `all` that the reader may see; a staff id: led by that colleague",
        ),
    ] = "all",
) -> Asked:
    """FastAPI dependency."""
    return Asked(state, period, activity, whose)


AskedList = Annotated[Asked, Depends(asked)]
AskedWindow = Annotated[Window, Depends(window)]


async def read(desk: Desk, who: Principal, what: Asked, part: Window) -> Page[Session]:
    """One page of the list in its order."""
    wanted = what.wanted(desk.today, who)
    after = _instants(after_key(order_of(wanted.state), part.after))
    rows = await desk.sessions.listed(wanted, scope_of(who), after=after, limit=part.fetch)
    return page(rows, part, lambda row: (row.plan.starts_at.isoformat(), row.id))


def _instants(after: dict[str, Any]) -> dict[str, Any]:
    """The cursor holds text where MongoDB holds an instant. Raises Problem 422 for a cursor of another list."""
    try:
        alternatives = [{name: _instant(name, value) for name, value in one.items()} for one in after.get("$or", ())]
    except (TypeError, ValueError, OverflowError):
        raise wrong_cursor() from None
    return {"$or": alternatives} if alternatives else {}


def _instant(name: str, value: Any) -> Any:
    if name != "plan.starts_at":
        return value
    if isinstance(value, dict):
        return {operator: _instant(name, text) for operator, text in value.items()}
    return datetime.fromisoformat(value).astimezone(UTC)


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), HELSINKI)
