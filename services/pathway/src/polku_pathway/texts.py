"""What the rules' codes mean in words. Marked here for the catalogues, said in the reader's language later."""

from collections.abc import Mapping

from polku_events.refusals import Refused
from polku_web.i18n import Message, msg
from polku_web.problems import Problem, from_refused

FIELDS: Mapping[str, Message] = {
    "started_on": msg("Start day"),
    "employment_status": msg("Employment status"),
    "since": msg("In this status since"),
    "education": msg("Highest completed education"),
    "gender": msg("Gender"),
    "municipality": msg("Home municipality"),
    "ended_on": msg("Last day of participation"),
    "status_on": msg("Day of the status"),
    "in_education": msg("In education"),
    "qualification": msg("Gained a qualification"),
    "reason": msg("Reason"),
    "case_code": msg("Case code"),
    "note": msg("In your own words"),
    "to_stage": msg("New stage"),
    "on": msg("Day"),
}

WRONG: Mapping[str, Message] = {
    "in-future": msg("The day is in the future."),
    "outside-programme": msg("The day is outside the programme’s days."),
    "unknown-code": msg("This is not one of the known values."),
    "without-status": msg("State the employment status too, or leave this empty."),
    "after-start": msg("This day is after the start day."),
    "too-early": msg("This day is too long ago."),
    "before-start": msg("This day is before the start day."),
    "before-end": msg("This day is before the end."),
    "after-window": msg("A result counts within four weeks (28 days) of the last day of participation."),
    "not-from-here": msg("The present stage does not lead there."),
    "before-last-change": msg("This day is before the start or the latest change of stage."),
    "before-opening": msg("This day is before the pathway opened."),
    "not-started": msg("Participation has not started, so there is nothing to state here."),
    "needed": msg("This is required."),
    "not-a-day": msg("Give the day, for example 5.3.2026."),
    "not-valid": msg("This value is not valid."),
    "unknown-case": msg("There is no other coordinator’s case with this code in your programmes."),
}

REFUSED: Mapping[str, Message] = {
    "closed": msg("The pathway is closed. Reopen it first."),
    "not-closed": msg("The pathway is not closed."),
    "already-started": msg("Participation has already started."),
    "not-started": msg("Participation has not started yet."),
    "not-ended": msg("Participation has not ended, so there are no exit data to correct."),
    "ended": msg("Participation has ended."),
    "nothing-changed": msg("Nothing was changed."),
    "another-open": msg("The person has another open pathway in this programme."),
}

GAPS: Mapping[str, Message] = {
    "employment_status": msg("employment status"),
    "education": msg("education"),
    "gender": msg("gender"),
    "since": msg("since when unemployed"),
}

KINDS: Mapping[str, Message] = {
    "opened": msg("The pathway opened from a referral"),
    "referral-attached": msg("A further referral joined the pathway"),
    "referral-detached": msg("The sender took a referral back"),
    "started": msg("Participation started"),
    "stage-changed": msg("The stage changed"),
    "ended": msg("Participation ended"),
    "closed": msg("The pathway closed"),
    "referral-concluded": msg("A further referral was concluded"),
    "corrected": msg("Data were corrected"),
    "reopened": msg("The pathway was reopened"),
}


def as_problem(refused: Refused) -> Problem:
    """422 with a pointer per field, or 409 when the pathway's state stands in the way."""
    return from_refused(refused, WRONG, REFUSED)
