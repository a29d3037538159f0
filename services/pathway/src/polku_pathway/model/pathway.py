"""The aggregate: its state, and what each command makes of it."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID, uuid5

from polku_events import Aggregate, EventData
from polku_events.pathway import (
    Entry,
    Exit,
    ParticipationCorrected,
    ParticipationEnded,
    ParticipationReopened,
    ParticipationStarted,
    PathwayClosed,
    PathwayOpened,
    PathwayStageChanged,
    ReferralAttached,
    ReferralDetached,
)
from polku_events.referral import ReferralAccepted, ReferralWithdrawn
from polku_events.refusals import Refused, Wrong, refuse_if
from polku_pathway.model.definition import Definition
from polku_pathway.model.rules import Rules, day_faults, entry_faults, exit_faults, reason_faults
from polku_pathway.model.timeline import Act, Line, differences, line

NAMESPACE = UUID("5f0b7f0e-6c57-5d0c-9a57-0d6f7a2f7c11")
"""Of the ids that are derived from referral ids. Changing it would open every pathway a second time."""
TAKEN_BACK = "withdrawn-by-sender"
"""The closing reason when every sender has taken its referral back before participation started."""

Decided = tuple["Pathway", list[EventData]]


class Pathway(Aggregate):
    """The way of one person through one programme, from an accepted referral to an end.

    referrals: every accepted referral that this pathway answers, the opening one first; also the inbox that
    makes opening happen once. detached: those of them that their senders have taken back; the inbox of that.
    definition: version of the programme's definition it goes by.
    stage_before_end: where the person was when the pathway closed; only then set, as is `outcome`.
    """

    person_id: str
    case_code: str
    programme: str
    definition: int
    route: str
    service: str
    organisation_id: str
    coordinator_id: str
    referrals: tuple[str, ...]
    detached: tuple[str, ...] = ()
    opened_on: date
    stage: str
    stage_since: date
    stage_before_end: str | None = None
    entry: Entry | None = None
    exit: Exit | None = None
    closed_on: date | None = None
    outcome: str | None = None
    timeline: tuple[Line, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.outcome is None


def pathway_id(referral_id: str) -> str:
    """The id of the pathway that a referral opens; the same for every delivery of its acceptance."""
    return str(uuid5(NAMESPACE, referral_id))


def open_pathway(accepted: ReferralAccepted, definition: Definition, act: Act) -> Decided:
    """A new pathway in the initial stage, owned by the coordinator who accepted the referral."""
    shared = accepted.model_dump(
        include={"person_id", "case_code", "programme", "route", "service", "organisation_id", "coordinator_id"}
    )
    opened = PathwayOpened(
        pathway_id=pathway_id(accepted.referral_id),
        referral_id=accepted.referral_id,
        stage=definition.initial,
        opened_on=accepted.accepted_on,
        **shared,
    )
    pathway = Pathway(
        id=opened.pathway_id,
        version=1,
        definition=definition.version,
        referrals=(accepted.referral_id,),
        opened_on=accepted.accepted_on,
        stage=definition.initial,
        stage_since=accepted.accepted_on,
        timeline=(line("opened", accepted.accepted_on, act, route=accepted.route, service=accepted.service),),
        **shared,
    )
    return pathway, [opened]


def attach_referral(pathway: Pathway, accepted: ReferralAccepted, act: Act) -> Decided:
    """A further referral for somebody whose pathway is open: it joins that pathway, which goes on as it is."""
    _must_be_open(pathway)
    attached = ReferralAttached(**_subject(pathway), referral_id=accepted.referral_id, attached_on=accepted.accepted_on)
    said = line("referral-attached", accepted.accepted_on, act, route=accepted.route, service=accepted.service)
    return _after(pathway, [(attached, said)], referrals=(*pathway.referrals, accepted.referral_id))


def detach_referral(pathway: Pathway, withdrawn: ReferralWithdrawn, rules: Rules, act: Act) -> Decided:
    """A sender has taken its referral back.

    When nothing else holds the pathway, no other referral and no participation, it closes. Else the work goes on,
    and so it does by a definition that has no reason for this: people decide then.
    """
    _must_be_open(pathway)
    on = max(withdrawn.withdrawn_on, pathway.opened_on)
    detached = ReferralDetached(**_subject(pathway), referral_id=withdrawn.referral_id, detached_on=on)
    after, events = _after(
        pathway,
        [(detached, line("referral-detached", on, act))],
        detached=(*pathway.detached, withdrawn.referral_id),
    )
    is_held = pathway.entry is not None or set(after.referrals) - set(after.detached)
    if is_held or TAKEN_BACK not in rules.definition.reasons_from(pathway.stage):
        return after, events
    closed, more = close_unstarted(after, on, TAKEN_BACK, rules, act)
    return closed, [*events, *more]


def start(pathway: Pathway, entry: Entry, rules: Rules, act: Act) -> Decided:
    """Participation begins with its entry data, which may be incomplete; the stage moves on."""
    _must_be_open(pathway)
    if pathway.entry is not None:
        raise Refused("already-started")
    refuse_if(list(entry_faults(entry, rules)))
    subject, on, target = _subject(pathway), entry.started_on, rules.definition.started
    started = ParticipationStarted(**subject, **entry.model_dump())
    moved = PathwayStageChanged(**subject, from_stage=pathway.stage, to_stage=target, on=on)
    steps = [
        (started, line("started", on, act)),
        (moved, line("stage-changed", on, act, from_stage=pathway.stage, to_stage=target)),
    ]
    return _after(pathway, steps, entry=entry, stage=target, stage_since=on)


def change_stage(pathway: Pathway, to_stage: str, on: date, rules: Rules, act: Act) -> Decided:
    """The person moves to another stage (not an end) that the definition allows from the present one."""
    entry = _must_take_part(pathway)
    wrong = list(day_faults("on", on, rules))
    if on < max(entry.started_on, pathway.stage_since):
        wrong.append(Wrong("on", "before-last-change"))
    if to_stage not in {step.code for step in rules.definition.steps_from(pathway.stage)}:
        wrong.append(Wrong("to_stage", "not-from-here"))
    refuse_if(wrong)
    moved = PathwayStageChanged(**_subject(pathway), from_stage=pathway.stage, to_stage=to_stage, on=on)
    said = line("stage-changed", on, act, from_stage=pathway.stage, to_stage=to_stage)
    return _after(pathway, [(moved, said)], stage=to_stage, stage_since=on)


def end(pathway: Pathway, leaving: Exit, rules: Rules, act: Act) -> Decided:
    """Participation ends with its exit data, and the pathway closes with the reason as its outcome."""
    entry = _must_take_part(pathway)
    refuse_if(list(exit_faults(leaving, entry.started_on, pathway.stage, rules)))
    ended = ParticipationEnded(**_subject(pathway), **leaving.model_dump())
    said = line("ended", leaving.ended_on, act, reason=leaving.reason)
    steps = [(ended, said), *_closings(pathway, leaving.ended_on, leaving.reason, act)]
    return _after(pathway, steps, exit=leaving, **_closed(pathway, leaving.ended_on, leaving.reason, rules))


def close_unstarted(pathway: Pathway, on: date, reason: str, rules: Rules, act: Act) -> Decided:
    """The pathway closes before participation ever started: no participation, so no exit data."""
    _must_be_open(pathway)
    if pathway.entry is not None:
        raise Refused("already-started")
    wrong = list(reason_faults(reason, on, pathway.stage, rules))
    if on > rules.today:
        wrong.append(Wrong("ended_on", "in-future"))
    if on < pathway.opened_on:
        wrong.append(Wrong("ended_on", "before-opening"))
    refuse_if(wrong)
    return _after(pathway, _closings(pathway, on, reason, act), **_closed(pathway, on, reason, rules))


def amend(pathway: Pathway, entry: Entry, leaving: Exit | None, reason: str, rules: Rules, act: Act) -> Decided:
    """Entry or exit data are corrected; the event carries all of both, the timeline old and new.

    leaving is None exactly when participation has not ended: an end is added by `end`, not by a correction.
    """
    if pathway.entry is None:
        raise Refused("not-started")
    if (leaving is None) != (pathway.exit is None):
        raise Refused("not-ended" if pathway.exit is None else "ended")
    wrong = [fault.inside("entry") for fault in entry_faults(entry, rules)]
    if leaving is not None:
        stage = pathway.stage_before_end or pathway.stage
        wrong += [fault.inside("exit") for fault in exit_faults(leaving, entry.started_on, stage, rules)]
    if not rules.allows("correction_reason", reason, rules.today):
        wrong.append(Wrong("reason", "unknown-code"))
    refuse_if(wrong)
    changes = (*differences("entry", pathway.entry, entry), *differences("exit", pathway.exit, leaving))
    if not changes:
        raise Refused("nothing-changed")
    corrected = ParticipationCorrected(**_subject(pathway), entry=entry, exit=leaving, reason=reason)
    said = line("corrected", rules.today, act, reason=reason).model_copy(update={"changes": changes})
    more: dict[str, Any] = {"entry": entry, "exit": leaving}
    if leaving is not None:
        more |= _closed(pathway, leaving.ended_on, leaving.reason, rules)
    return _after(pathway, [(corrected, said)], **more)


def reopen(pathway: Pathway, on: date, reason: str, rules: Rules, act: Act) -> Decided:
    """A closed pathway goes on in the stage it was left from; exit data are void, and stay in the timeline."""
    if pathway.is_open or pathway.closed_on is None or pathway.stage_before_end is None:
        raise Refused("not-closed")
    wrong = list(day_faults("on", on, rules))
    if on < pathway.closed_on:
        wrong.append(Wrong("on", "before-end"))
    if not rules.allows("reopening_reason", reason, rules.today):
        wrong.append(Wrong("reason", "unknown-code"))
    refuse_if(wrong)
    subject, back_to = _subject(pathway), pathway.stage_before_end
    said = line("reopened", on, act, reason=reason)
    said = said.model_copy(update={"changes": tuple(differences("exit", pathway.exit, None))})
    steps: list[tuple[EventData, Line]] = []
    if pathway.entry is not None:
        steps.append((ParticipationReopened(**subject, reopened_on=on), said))
    moved = PathwayStageChanged(**subject, from_stage=pathway.stage, to_stage=back_to, on=on)
    moved_line = line("stage-changed", on, act, from_stage=pathway.stage, to_stage=back_to)
    steps.append((moved, moved_line if steps else said))
    return _after(
        pathway,
        steps,
        stage=back_to,
        stage_since=on,
        stage_before_end=None,
        exit=None,
        closed_on=None,
        outcome=None,
    )


def _must_be_open(pathway: Pathway) -> None:
    if not pathway.is_open:
        raise Refused("closed")


def _must_take_part(pathway: Pathway) -> Entry:
    _must_be_open(pathway)
    if pathway.entry is None:
        raise Refused("not-started")
    return pathway.entry


def _subject(pathway: Pathway) -> dict[str, str]:
    return {"pathway_id": pathway.id, "person_id": pathway.person_id, "programme": pathway.programme}


def _closings(pathway: Pathway, on: date, outcome: str, act: Act) -> list[tuple[EventData, Line]]:
    """One event per referral: each sender hears what came of its own."""
    kinds = ["closed", *["referral-concluded"] * (len(pathway.referrals) - 1)]
    return [
        (
            PathwayClosed(**_subject(pathway), referral_id=referral, closed_on=on, outcome=outcome),
            line(kind, on, act, reason=outcome),
        )
        for kind, referral in zip(kinds, pathway.referrals, strict=True)
    ]


def _closed(pathway: Pathway, on: date, outcome: str, rules: Rules) -> Mapping[str, Any]:
    end_of_it = rules.definition.end_for(outcome)
    assert end_of_it is not None  # checked by the rules before
    return {
        "stage": end_of_it.code,
        "stage_since": on,
        "stage_before_end": pathway.stage_before_end or pathway.stage,
        "closed_on": on,
        "outcome": outcome,
    }


def _after(pathway: Pathway, steps: list[tuple[EventData, Line]], **changes: Any) -> Decided:
    timeline = (*pathway.timeline, *(said for _, said in steps))
    events = [event for event, _ in steps]
    after = pathway.model_copy(update={**changes, "timeline": timeline, "version": pathway.version + len(events)})
    return after, events
