"""A session as its readers see it."""

from collections.abc import Sequence

from polku_activities.commands import ParticipantOut, SessionOut
from polku_activities.desk import COMMANDS
from polku_activities.model.session import Mark, Participant, Session


def session(shown: Session, overlapping: Sequence[str] = ()) -> SessionOut:
    plan = shown.plan
    return SessionOut(
        id=shown.id,
        version=shown.version,
        programme=shown.programme,
        activity=plan.activity,
        state=shown.state,
        starts_at=plan.starts_at,
        ends_at=plan.ends_at,
        group=plan.group,
        coach_id=plan.coach_id,
        place=plan.place,
        held_on=shown.held_on,
        minutes=shown.held_minutes or plan.minutes,
        attended=shown.attended if shown.state == "held" else None,
        cancel_reason=shown.cancel_reason,
        participants=[_participant(one, shown.marks.get(one.pathway_id)) for one in plan.participants],
        overlapping=list(overlapping),
        commands=list(COMMANDS[shown.state]),
    )


def _participant(one: Participant, mark: Mark | None) -> ParticipantOut:
    return ParticipantOut(**one.model_dump(), **(mark.model_dump() if mark else {}))
