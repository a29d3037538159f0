"""The API by its bodies: a plan, its change, an attendance, and what is wrong with an answer."""

from typing import Any

import httpx

from polku_web.testing import Person

PLAN = {
    "programme": "kainuu",
    "activity": "nepsy-coaching",
    "starts_at": "2026-03-02T09:00:00+02:00",
    "minutes": 120,
    "pathway_ids": ["pathway-1", "pathway-2"],
}
CHANGE = {name: value for name, value in PLAN.items() if name != "programme"}
HOLD = {
    "held_on": "2026-03-02",
    "minutes": 120,
    "marks": {"pathway-1": {"attendance": "present"}, "pathway-2": {"attendance": "absent-unexcused"}},
}
NOWHERE = "0197aaaa-0000-7000-8000-00000000ffff"


async def plan(me: Person, **changes: Any) -> dict[str, Any]:
    answer = await me.command("/sessions", {**PLAN, **changes})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def faults(answer: httpx.Response) -> set[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    return {(error["pointer"], error["code"]) for error in answer.json()["errors"]}
