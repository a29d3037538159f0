"""What the rules' codes mean in words. Marked here for the catalogues, said in the reader's language later."""

from collections.abc import Mapping

from polku_events.refusals import Refused
from polku_web.forms import Fields
from polku_web.i18n import Message, Texts, msg
from polku_web.problems import Problem, from_refused

WRONG: Mapping[str, Message] = {
    "unknown-code": msg("This is not one of the known values."),
    "in-future": msg("The day is in the future."),
    "planned-for-later": msg("The session is planned for a later day. Change the plan first if it was held already."),
    "needed": msg("This is required."),
    "too-many": msg("At most 60 people take part in one session."),
    "twice": msg("A person is there twice."),
    "one-only": msg("An individual session has one participant."),
    "not-a-participant": msg("The person is not a participant of this session."),
    "not-open": msg("The person has no open pathway in this programme."),
    "too-long": msg("Longer than the session itself."),
    "there-without-minutes": msg("State how many minutes the person was there."),
    "absent-with-minutes": msg("Somebody who was absent has no minutes."),
    "reason-needed": msg("State the reason of the absence."),
    "reason-for-presence": msg("A reason belongs to an absence only."),
    "not-a-coach": msg("Choose a coach of this programme."),
    "not-a-day": msg("Give the day, for example 5.3.2026."),
    "not-a-time": msg("Give the time, for example 9.30."),
    "not-minutes": msg("Give the minutes as a number: a session takes from 5 to 720."),
    "not-valid": msg("This value is not valid."),
}

REFUSED: Mapping[str, Message] = {
    "wrong-state": msg("The session’s state does not allow this any more."),
    "nothing-changed": msg("Nothing was changed."),
}

DONE: Mapping[str, Message] = {
    "plan": msg("The session was planned."),
    "change": msg("The plan was changed."),
    "hold": msg("The session and its attendance were recorded."),
    "correct": msg("The attendance was corrected. Old and new are kept."),
    "cancel": msg("The session was cancelled."),
}
"""What a page says after a form was carried out."""


def say_wrong(texts: Texts, lang: str, wrong: Mapping[str, str]) -> Fields:
    """What is wrong with a form, by field, in the reader's language."""
    known = {**WRONG, **REFUSED}
    return Fields({field: texts.say(lang, known[code]) for field, code in wrong.items()})


def as_problem(refused: Refused) -> Problem:
    """422 with a pointer per field, or 409 when the session's state stands in the way."""
    return from_refused(refused, WRONG, REFUSED)
