"""Codes in words, for pages."""

from collections.abc import Mapping, Sequence
from typing import Literal

from polku_indicators.model.definitions import Range
from polku_indicators.model.rules import Rule
from polku_web.i18n import Message, msg

GENDERS: Mapping[str, Message] = {
    "woman": msg("Women"),
    "man": msg("Men"),
    "non-binary": msg("Non-binary"),
    "not-stated": msg("Not stated"),
}

REASONS: Mapping[str, Message] = {
    "not-started": msg("Participation has not started"),
    "outside-period": msg("Started outside the programme's period"),
    "incomplete": msg("Entry data is missing"),
    "other-status": msg("Another labour-market status at the start"),
    "other-age": msg("Another age group"),
    "other-education": msg("Another level of education"),
    "unemployment-start-missing": msg("The start of unemployment is missing"),
    "unemployed-too-short": msg("Unemployed for a shorter time"),
    "not-in-base": msg("Not in the group that this result is counted from"),
    "still-in-programme": msg("Still in the programme"),
    "status-after-unknown": msg("The situation after leaving is not known"),
    "other-status-after": msg("Another labour-market status after leaving"),
    "not-in-education": msg("Not in education or training after leaving"),
    "no-qualification": msg("No qualification gained"),
    "too-late": msg("More than 28 days after leaving"),
}

MISSING: Mapping[str, Message] = {
    "gender": msg("gender"),
    "employment_status": msg("labour-market status"),
    "age": msg("age"),
    "education": msg("education"),
}

STATUSES: Mapping[str, Message] = {
    "unemployed": msg("unemployed"),
    "inactive": msg("outside the labour market"),
    "student": msg("studying"),
    "employed": msg("in work"),
}

EVENTS: Mapping[str, Message] = {
    "polku.referral.received.v1": msg("Referral received"),
    "polku.referral.accepted.v1": msg("Referral accepted"),
    "polku.person.age-stated.v1": msg("Age stated"),
    "polku.participation.started.v1": msg("Participation started"),
    "polku.participation.corrected.v1": msg("Participation corrected"),
    "polku.participation.ended.v1": msg("Participation ended"),
    "polku.participation.reopened.v1": msg("Participation reopened"),
    "polku.session.held.v1": msg("Session held"),
    "polku.attendance.recorded.v1": msg("Attendance recorded"),
    "polku.attendance.corrected.v1": msg("Attendance corrected"),
}


def conditions_of(rule: Rule, said: Mapping[str, str]) -> list[Message]:
    """A rule's conditions as sentences. said: status code → its word in the reader's language."""
    c = rule.definition.conditions
    days = c.within_days_after_leaving
    before, after = _words(c.entry_status, said), _words(c.exit_status, said)
    told: list[tuple[bool, Message]] = [
        (True, msg("Participation has started within the programme's period.")),
        (c.complete, msg("Gender, labour-market status, age and education are known.")),
        (
            c.entry_status is not None,
            msg("Status on the start day: %(statuses)s.", statuses=before),
        ),
        (c.age is not None, _range(c.age, "age")),
        (c.education is not None, _range(c.education, "education")),
        (bool(c.long_term_unemployed), msg("Unemployed without a break for the months that the definition asks for.")),
        (c.base is not None, msg("Counted in %(codes)s.", codes=" / ".join(c.base or ()))),
        (bool(c.left), msg("Has left the programme; no pathway goes on.")),
        (c.exit_status is not None, msg("Status after leaving: %(statuses)s.", statuses=after)),
        (bool(c.in_education_after), msg("In education or training after leaving.")),
        (bool(c.qualification), msg("Gained a qualification.")),
        (days is not None, msg("Within %(days)s days of leaving.", days=days)),
    ]
    return [text for holds, text in told if holds]


def _words(codes: Sequence[str] | None, said: Mapping[str, str]) -> str:
    return ", ".join(said[code] for code in codes or ())


def _range(limits: Range | None, what: Literal["age", "education"]) -> Message:
    low, high = (None, None) if limits is None else (limits.min, limits.max)
    texts = {
        "age": (
            msg("Age on the start day: %(high)s or under.", high=high),
            msg("Age on the start day: %(low)s or over.", low=low),
            msg("Age on the start day: %(low)s to %(high)s.", low=low, high=high),
        ),
        "education": (
            msg("Highest completed education: ISCED %(high)s or lower.", high=high),
            msg("Highest completed education: ISCED %(low)s or higher.", low=low),
            msg("Highest completed education: ISCED %(low)s to %(high)s.", low=low, high=high),
        ),
    }[what]
    return texts[0] if low is None else texts[1] if high is None else texts[2]
