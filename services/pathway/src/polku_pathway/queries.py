"""What a case-load list is asked for, the same from a page and from the API."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Query

from polku_pathway.desk import Desk
from polku_pathway.model.pathway import Pathway
from polku_pathway.repository import ORDERS, Wanted
from polku_runtime.access import Principal
from polku_web.paging import Page, Window, after_key, page, window

State = Literal["open", "closed", "all"]


@dataclass(frozen=True)
class Asked:
    """The query of a list. whose: `own` or `all` that the reader may see; None is the role's habit."""

    state: State
    whose: Literal["own", "all"] | None
    stage: str | None
    overdue: bool
    incomplete: bool
    case: str

    def wanted(self, who: Principal) -> Wanted:
        # A coordinator works through the own case-load; a manager has none and looks at everybody's.
        own = self.whose == "own" or (self.whose is None and not who.has_role("manager"))
        return Wanted(self.state, own, self.stage, self.overdue, self.incomplete, self.case)


def asked(
    state: Annotated[State, Query(description="Open pathways, closed ones or all")] = "open",
    whose: Annotated[Literal["own", "all", ""], Query(description="Own case-load or all that the reader may see")] = "",
    stage: Annotated[str, Query(max_length=41, description="Only this stage")] = "",
    overdue: Annotated[bool, Query(description="Only those longer in their stage than expected")] = False,
    incomplete: Annotated[bool, Query(description="Only those whose entry data lack something")] = False,
    case: Annotated[str, Query(max_length=12, description="Case code or its beginning")] = "",
) -> Asked:
    """FastAPI dependency. An empty value narrows nothing, since plain forms send empty fields."""
    return Asked(state, whose or None, stage or None, overdue, incomplete, case)


AskedList = Annotated[Asked, Depends(asked)]
AskedWindow = Annotated[Window, Depends(window)]


async def read(desk: Desk, who: Principal, what: Wanted, part: Window) -> Page[Pathway]:
    """One page of the list in its order (see `repository.ORDERS`)."""
    order = ORDERS[what.state]
    scope = await desk.pathways.scope_of(who)
    rows = await desk.pathways.caseload(
        what, who, scope, desk.today, after=after_key(order, part.after), limit=part.fetch
    )

    def key(pathway: Pathway) -> tuple[str, ...]:
        first = {
            "due_on": desk.definition(pathway).due_on(pathway.stage, pathway.stage_since),
            "closed_on": pathway.closed_on,
            "opened_on": pathway.opened_on,
        }[order[0][0]]
        return str(first), pathway.id

    return page(rows, part, key)
