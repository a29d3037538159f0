"""The plain forms: what they start with, and the commands that they become."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from starlette.requests import Request

from polku_activities.commands import CancelIn, ChangeIn, CorrectIn, HoldIn, PlanIn
from polku_activities.desk import Desk
from polku_activities.model.session import Plan, Session
from polku_web.formats import HELSINKI, local_day
from polku_web.forms import Fields, chosen, iso_day, seen_version, typed

CLOCK = re.compile(r"(\d{1,2})[.:](\d{2})", re.ASCII)
USUAL = Fields(clock="09:00", minutes="120", group="yes")
MARK = {"attendance": "attendance", "minutes": "minutes", "reason": "absence_reason"}
"""What a command says of one attendance, and its field in a form; in a row the field ends with `-<pathway id>`."""


@dataclass(frozen=True)
class Sent:
    """A form as it came, or as it is first shown. ticked: the pathways whose boxes were ticked."""

    values: Fields = field(default_factory=Fields)
    ticked: frozenset[str] = frozenset()

    @property
    def version(self) -> int:
        """The version that the form was made from."""
        return seen_version(self.values)


@dataclass(frozen=True)
class Attempt:
    """A form to show: as it is first, or as it came and was not carried out.

    form: which one came. wrong: code by field. overtaken: the session is not any more as the form has seen it.
    """

    sent: Sent = Sent()
    form: str = ""
    wrong: Mapping[str, str] = field(default_factory=dict)
    overtaken: bool = False

    @property
    def status(self) -> int:
        if self.overtaken:
            return 409
        return 422 if self.wrong else 200


async def sent(request: Request) -> Sent:
    """What the request's form holds."""
    return Sent(await typed(request), frozenset(await chosen(request, "pathway_ids")))


def first_plan(desk: Desk, programme: str, coach_id: str) -> Sent:
    """What an empty form starts with: tomorrow morning, led by the reader."""
    day = desk.today + timedelta(days=1)
    return Sent(Fields(USUAL, programme=programme, day=day.isoformat(), coach_id=coach_id))


def present_plan(session: Session) -> Sent:
    """The form of a session as it is planned now."""
    plan = session.plan
    values = Fields(
        activity=plan.activity,
        day=local_day(plan.starts_at).isoformat(),
        clock=f"{plan.starts_at.astimezone(HELSINKI):%H:%M}",
        minutes=str(plan.minutes),
        group="yes" if plan.group else "no",
        place=plan.place,
        coach_id=plan.coach_id,
    )
    return Sent(values, frozenset(one.pathway_id for one in plan.participants))


def first_attendance(desk: Desk, plan: Plan) -> Sent:
    """Held as planned, today at the latest, and everybody was there."""
    day = min(desk.today, local_day(plan.starts_at))
    return Sent(Fields(held_on=day.isoformat(), minutes=str(plan.minutes)))


# -- as commands; each raises ValidationError ---------------------------------------------------------------------


def plan(form: Sent) -> PlanIn:
    return PlanIn.model_validate({**_plan(form), "programme": form.values["programme"]})


def change(form: Sent) -> ChangeIn:
    return ChangeIn.model_validate(_plan(form))


def hold(form: Sent) -> HoldIn:
    """A row per planned person; who is ticked came without being planned, and stayed to the end."""
    planned = [name.removeprefix("attendance-") for name in form.values if name.startswith("attendance-")]
    marks: dict[str, Any] = {pathway_id: {"attendance": "present"} for pathway_id in form.ticked}
    marks |= {pathway_id: _mark(form.values, f"-{pathway_id}") for pathway_id in planned}
    return HoldIn.model_validate({**_filled(form.values, "held_on", "minutes"), "marks": marks})


def correct(form: Sent) -> CorrectIn:
    return CorrectIn.model_validate({**_filled(form.values, "pathway_id", "reason"), "mark": _mark(form.values, "")})


def cancel(form: Sent) -> CancelIn:
    return CancelIn.model_validate(_filled(form.values, "reason"))


def _plan(form: Sent) -> dict[str, Any]:
    values, starts = form.values, _instant(form.values)
    return {
        **_filled(values, "activity", "minutes", "place", "coach_id"),
        **({"starts_at": starts} if starts else {}),
        "group": values["group"] != "no",
        "pathway_ids": sorted(form.ticked),
    }


def _mark(values: Fields, row: str) -> dict[str, str]:
    mark = {name: values[f"{field}{row}"] for name, field in MARK.items() if values[f"{field}{row}"]}
    # What was left beside somebody who was there, or was not there after all, is not meant.
    mark.pop("minutes" if mark.get("attendance", "").startswith("absent") else "reason", None)
    return mark


def _filled(values: Fields, *names: str) -> dict[str, str]:
    filled = {name: values[name] for name in names if values[name]}
    return filled | {name: iso_day(value) for name, value in filled.items() if name == "held_on"}


def day_of(values: Fields) -> date | None:
    try:
        return date.fromisoformat(iso_day(values["day"]))
    except ValueError:
        return None


def clock_of(values: Fields) -> time | None:
    found = CLOCK.fullmatch(values["clock"])
    try:
        return time(int(found[1]), int(found[2])) if found else None
    except ValueError:
        return None


def _instant(values: Fields) -> datetime | None:
    """Day and clock are Helsinki's."""
    day, clock = day_of(values), clock_of(values)
    return None if day is None or clock is None else datetime.combine(day, clock, HELSINKI)
