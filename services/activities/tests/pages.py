"""The pages of sessions by their forms, as a person without JavaScript uses them."""

import re
from typing import Any

from polku_web.testing import Person, text_of

LIST = "/activities/sessions"
NEW = f"{LIST}/new"
PLAN: dict[str, Any] = {
    "activity": "work-activity",
    "day": "2.3.2026",
    "clock": "9.00",
    "pathway_ids": ["pathway-1", "pathway-2"],
}


async def plan(me: Person, **changes: Any) -> str:
    """Plans a session by the form; its address."""
    answer = await me.submit(NEW, changes={**PLAN, **changes})
    assert answer.status_code == 303, text_of(answer.text)
    at, _, done = answer.headers["location"].partition("?")
    assert done == "done=plan"
    return str(at)


async def hold(me: Person, at: str, **changes: Any) -> None:
    answer = await me.submit(at, f"{at}/hold", changes=changes)
    assert answer.headers.get("location") == f"{at}?done=hold", text_of(answer.text)


def row_of(page: str, case: str) -> str:
    """The table row of one person, as HTML."""
    return next(row for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if case in row)
