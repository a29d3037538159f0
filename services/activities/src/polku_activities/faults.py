"""What is wrong with a form that was sent, by the field's name in it."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from polku_activities.forms import MARK, clock_of, day_of
from polku_events.refusals import Refused, Wrong
from polku_web.forms import Fields

NOT_VALID = {"held_on": "not-a-day", "minutes": "not-minutes", "starts_at": "not-a-day"}


def faults(error: ValidationError | Refused, values: Fields) -> dict[str, str]:
    """Code of what is wrong, by the field's name in the form; `form` where no field is to blame."""
    if isinstance(error, Refused):
        wrong = error.wrong or [Wrong("form", error.code)]
    else:
        wrong = [_wrong(problem) for problem in error.errors(include_input=False, include_url=False)]
    found: dict[str, str] = {}
    for path, code in wrong:
        if path == "starts_at":
            found |= _start(values)
        else:
            found.setdefault(_name(path), code)
    return found


def _wrong(problem: ErrorDetails) -> Wrong:
    path = [str(part) for part in problem["loc"]]
    is_missing = problem["type"] in ("missing", "string_too_short")
    return Wrong("/".join(path), "needed" if is_missing else NOT_VALID.get(path[-1], "not-valid"))


def _start(values: Fields) -> dict[str, str]:
    """Which of day and clock is to blame; the day, when both can be read and are out of bounds."""
    found = {}
    if clock_of(values) is None:
        found["clock"] = "not-a-time" if values["clock"] else "needed"
    if day_of(values) is None or not found:
        found["day"] = "not-a-day" if values["day"] else "needed"
    return found


def _name(path: str) -> str:
    """`marks/<pathway>/reason` → `absence_reason-<pathway>`; `mark/reason` → `absence_reason`."""
    match path.split("/"):
        case ["marks", pathway_id, *part]:
            return f"{MARK.get('/'.join(part), 'attendance')}-{pathway_id}"
        case ["mark", *part]:
            return MARK.get("/".join(part), "attendance")
        case ["marks" | "pathway_ids", *_]:
            return "participants"
        case _:
            return path
