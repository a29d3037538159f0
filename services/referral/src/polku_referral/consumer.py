"""What referral listens to: participation starts or is corrected → the age is stated; a pathway closes → concluded."""

from datetime import date
from typing import NamedTuple

from polku_events import Event
from polku_events.pathway import ParticipationCorrected, ParticipationStarted, PathwayClosed
from polku_events.refusals import Refused
from polku_referral.audit import Audit, Look
from polku_referral.model import referral as domain
from polku_referral.model.person import state_age
from polku_referral.repository import Repository
from polku_referral.vault import Erased, Sealed, Vault
from polku_runtime.aggregates import LostRace
from polku_runtime.dispatch import each
from polku_runtime.outcomes import Apply, Dead, Handler, Outcome

TOPICS = ("pathway", "referral")
TRIES = 20


class Parts(NamedTuple):
    repository: Repository
    vault: Vault
    audit: Audit


def consume(parts: Parts) -> Apply:
    """The applier of the worker's batches."""
    age = answer_age(parts)
    return each({ParticipationStarted: age, ParticipationCorrected: age, PathwayClosed: conclude(parts.repository)})


def answer_age(parts: Parts) -> Handler:
    """On the start of participation, or a correction of its day: the person's full years on that day.

    The person's document remembers what it has answered by the pathway's version, so repeats and late events
    open and answer nothing. When the birth date is erased, there is nothing to say.
    """

    async def answered(event: Event) -> Outcome:
        data = event.data
        assert isinstance(data, ParticipationStarted | ParticipationCorrected)
        on = data.started_on if isinstance(data, ParticipationStarted) else data.entry.started_on
        for _ in range(TRIES):
            known = await parts.repository.person(data.person_id)
            if known is None:
                raise Dead("unknown-person")
            if known.person.has_stated(data.pathway_id, event.version):
                return Outcome.DUPLICATE
            await parts.audit.write(None, [Look(data.person_id, "state-age", ("identity",))])
            try:
                identity = await parts.vault.open(known.sealed["identity"], data.person_id, "identity")
            except Erased:
                return Outcome.SKIPPED
            except Sealed:
                raise Dead("does-not-open") from None  # visible, and redriven when the cause is mended
            born = date.fromisoformat(identity["date_of_birth"])
            try:
                stated = state_age(
                    known.person, pathway_id=data.pathway_id, pathway_version=event.version, on=on, born=born
                )
                await parts.repository.persons.save(known.person, *stated)
            except Refused as refused:
                raise Dead(refused.code) from None
            except LostRace:
                continue
            return Outcome.APPLIED
        raise TimeoutError("the person kept changing; the batch is repeated")

    return answered


def conclude(repository: Repository) -> Handler:
    """On the pathway's end: the sender's referral is concluded with the coded outcome."""

    async def concluded(event: Event) -> Outcome:
        data = event.data
        assert isinstance(data, PathwayClosed)
        for _ in range(TRIES):
            kept = await repository.get(data.referral_id, {})
            if kept is None:
                raise Dead("unknown-referral")
            if kept.referral.state not in ("accepted", "withdrawal-requested"):
                return Outcome.DUPLICATE
            after, events = domain.conclude(
                kept.referral, outcome=data.outcome, on=data.closed_on, at=repository.effects.now()
            )
            try:
                await repository.save(kept.referral, after, events, {})
            except LostRace:
                continue
            return Outcome.APPLIED
        raise TimeoutError("the referral kept changing; the batch is repeated")

    return concluded
