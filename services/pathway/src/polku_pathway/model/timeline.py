"""What happened on a pathway, in order: one line per event, with who and when."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

Value = str | int | bool | None


class Act(NamedTuple):
    """Who acts, and when. by: a staff member's id; None when the system reacts to an event."""

    by: str | None
    at: datetime


class Change(BaseModel):
    """One corrected field; days as ISO text."""

    model_config = ConfigDict(frozen=True)

    field: str
    old: Value
    new: Value


class Line(BaseModel):
    """One event of the pathway. on: the day it speaks of; at: when it was recorded.

    detail: the codes that belong to the kind, such as `from_stage` and `to_stage`.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    on: date
    at: datetime
    by: str | None
    reason: str | None = None
    detail: Mapping[str, Value] = {}
    changes: tuple[Change, ...] = ()


def line(kind: str, on: date, act: Act, *, reason: str | None = None, **detail: Value) -> Line:
    return Line(kind=kind, on=on, at=act.at, by=act.by, reason=reason, detail=detail)


def differences(part: str, old: BaseModel | None, new: BaseModel | None) -> Iterator[Change]:
    """The fields of entry or exit data (`part`) that differ, as `entry.education`."""
    before = {} if old is None else old.model_dump(mode="json")
    after = {} if new is None else new.model_dump(mode="json")
    for field in {**before, **after}:
        if before.get(field) != after.get(field):
            yield Change(field=f"{part}.{field}", old=before.get(field), new=after.get(field))
