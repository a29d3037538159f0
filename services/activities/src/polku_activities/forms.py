"""What the plain forms say, as commands; and what is wrong with them, by field."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request

from polku_activities.commands import CancelIn, CorrectIn, HoldIn, PlanIn
from polku_activities.desk import Desk
from polku_activities.model.refusals import Refused
from polku_activities.model.session import Participant, Session
from polku_runtime.access import Principal
from polku_web.formats import HELSINKI
from polku_web.forms import Fields, iso_day, said

CLOCK = re.compile(r"(\d{1,2})[.:](\d{2})", re.ASCII)
USUAL_MINUTES, USUAL_START = 120, "09:00"


async def chosen(request: Request, name: str) -> frozenset[str]:
    """The values of checkboxes of one name."""
    return frozenset(value for value in (await request.form()).getlist(name) if isinstance(value, str))


def version(values: Fields) -> int:
    return int(values["version"]) if values["version"].isdigit() else 0


def first_plan(desk: Desk, who: Principal) -> Fields:
    """What an empty form starts with: tomorrow morning, in the reader's first programme."""
    programme = min(who.programmes, default="")
    day = (desk.today + timedelta(days=1)).isoformat()
    return Fields(programme=programme, day=day, clock=USUAL_START, minutes=str(USUAL_MINUTES), group="yes")


def present_plan(session: Session) -> Fields:
    plan, starts = session.plan, session.plan.starts_at.astimezone(HELSINKI)
    return Fields(
        programme=session.programme,
        activity=plan.activity,
        day=starts.date().isoformat(),
        clock=starts.strftime("%H:%M"),
        minutes=str(plan.minutes),
        group="yes" if plan.group else "no",
        place=plan.place,
    )


def plan(values: Mapping[str, str], pathway_ids: Iterable[str]) -> PlanIn:
    """Raises ValidationError; day and clock are Helsinki's."""
    fields: dict[str, Any] = said(values, "version", "day", "clock", "group", "pathway_ids")
    starts = _instant(values.get("day", ""), values.get("clock", ""))
    if starts is not None:
        fields["starts_at"] = starts
    return PlanIn.model_validate({**fields, "group": values.get("group") != "no", "pathway_ids": sorted(pathway_ids)})


def hold(values: Fields, people: Iterable[Participant], walk_ins: Iterable[str]) -> HoldIn:
    """One attendance per person; who is not marked otherwise was there for the whole session."""
    marks: dict[str, Any] = {}
    for one in people:
        attendance = values[f"attendance-{one.person_id}"] or "present"
        reason = values[f"reason-{one.person_id}"]
        marks[one.person_id] = {
            "attendance": attendance,
            # A reason that was left beside somebody who was there after all is not meant.
            "reason": reason if reason and attendance.startswith("absent") else None,
        }
    fields: dict[str, Any] = {"held_on": iso_day(values["held_on"]), "minutes": values["minutes"]}
    return HoldIn.model_validate({**fields, "marks": marks, "walk_ins": sorted(walk_ins)})


def correction(values: Fields) -> CorrectIn:
    mark = {"attendance": values["attendance"], "reason": values["absence_reason"] or None}
    return CorrectIn.model_validate({"person_id": values["person_id"], "mark": mark, "reason": values["reason"]})


def cancellation(values: Fields) -> CancelIn:
    return CancelIn.model_validate(said(values, "version"))


def faults(error: ValidationError | Refused) -> dict[str, str]:
    """Code of what is wrong, by the field's name in the form; `form` where no field is to blame."""
    if isinstance(error, Refused):
        if error.code != "invalid":
            return {"form": error.code}
        return {_field(wrong.field): wrong.code for wrong in error.wrong}
    found: dict[str, str] = {}
    for problem in error.errors(include_input=False, include_url=False):
        found.setdefault(_field("/".join(str(part) for part in problem["loc"])), _code(problem["type"]))
    return found


def _field(path: str) -> str:
    """`marks/<person>` → `attendance-<person>`; `mark/reason` → `absence_reason`; `starts_at` → `clock`."""
    head, _, rest = path.partition("/")
    if head == "marks":
        return f"attendance-{rest.partition('/')[0]}"
    if head == "mark":
        return "absence_reason" if rest in ("", "reason") else "attendance"
    return {"starts_at": "clock", "pathway_ids": "participants", "walk_ins": "participants"}.get(head, head)


def _code(kind: str) -> str:
    if kind == "missing" or kind.startswith("string_too_short"):
        return "needed"
    return "not-a-day" if kind.startswith("date_") else "not-valid"


def _instant(day: str, clock: str) -> datetime | None:
    """An instant of Helsinki's clock; None for what is neither day nor time, and the model says it is missing."""
    found = CLOCK.fullmatch(clock)
    try:
        date_part = datetime.strptime(iso_day(day), "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
        hour, minute = (int(found[1]), int(found[2])) if found else (-1, -1)
        return datetime(date_part.year, date_part.month, date_part.day, hour, minute, tzinfo=HELSINKI)
    except ValueError:
        return None
