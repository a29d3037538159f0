"""What pathway listens to: a referral that is accepted or taken back, and a change of staff or clients."""

from pymongo.errors import DuplicateKeyError

from polku_events import Event
from polku_events.referral import ClientChanged, ReferralAccepted, ReferralWithdrawn, StaffChanged
from polku_pathway.model import pathway as domain
from polku_pathway.model.rules import Rules
from polku_pathway.model.timeline import Act
from polku_pathway.repository import Pathways
from polku_runtime.access import remember_client, remember_staff
from polku_runtime.aggregates import LostRace
from polku_runtime.dispatch import each
from polku_runtime.outcomes import Apply, Dead, Handler, Outcome
from polku_web.formats import local_day

TOPICS = ("referral",)
TRIES = 20
"""Races are lost to people working on the very same person; more than a few in a row is trouble elsewhere."""


def consume(pathways: Pathways) -> Apply:
    """The applier of the worker's batches."""
    return each(
        {
            ReferralAccepted: open_pathway(pathways),
            ReferralWithdrawn: detach_referral(pathways),
            StaffChanged: remember_staff(pathways.database),
            ClientChanged: remember_client(pathways.database),
        }
    )


def open_pathway(pathways: Pathways) -> Handler:
    """On ReferralAccepted: a new pathway, or the referral joins the person's open one in the programme.

    It happens once however often and wherever the event is delivered: the referral's id is part of the
    document that the event changes, and unique over all of them. A programme without a definition is dead.
    """

    async def opened(event: Event) -> Outcome:
        accepted = event.data
        assert isinstance(accepted, ReferralAccepted)
        definition = pathways.catalogue.newest(accepted.programme)
        if definition is None:
            raise Dead("unknown-programme")
        for _ in range(TRIES):
            try:
                await pathways.add(*domain.open_pathway(accepted, definition, _reaction(pathways)))
            except DuplicateKeyError:
                if await pathways.knows_referral(accepted.referral_id):
                    return Outcome.DUPLICATE
                if await _joined(pathways, accepted):
                    return Outcome.APPLIED
            else:
                return Outcome.APPLIED
        raise TimeoutError("the person's pathways kept changing; the batch is repeated")

    return opened


def detach_referral(pathways: Pathways) -> Handler:
    """On ReferralWithdrawn: a pathway that only this referral holds closes before it began, any other remembers it.

    One that was never accepted has no pathway, and a closed pathway has told its end already.
    """

    async def detached(event: Event) -> Outcome:
        withdrawn = event.data
        assert isinstance(withdrawn, ReferralWithdrawn)
        for _ in range(TRIES):
            present = await pathways.of_referral(withdrawn.referral_id)
            if present is None:
                return Outcome.SKIPPED
            if not present.is_open or withdrawn.referral_id in present.detached:
                return Outcome.DUPLICATE
            definition = pathways.catalogue.of(present.programme, present.definition)
            rules = Rules(definition, pathways.catalogue.codes.allows, local_day(pathways.effects.now()))
            try:
                await pathways.save(present, *domain.detach_referral(present, withdrawn, rules, _reaction(pathways)))
            except LostRace:
                continue
            return Outcome.APPLIED
        raise TimeoutError("the pathway kept changing; the batch is repeated")

    return detached


async def _joined(pathways: Pathways, accepted: ReferralAccepted) -> bool:
    """True when the referral joined the open pathway; False when that has closed or changed meanwhile.

    Another delivery of the same event may have joined it since the caller looked: that is a change, too.
    """
    present = await pathways.open_of(accepted.person_id, accepted.programme)
    if present is None or accepted.referral_id in present.referrals:
        return False
    try:
        await pathways.save(present, *domain.attach_referral(present, accepted, _reaction(pathways)))
    except LostRace:
        return False
    return True


def _reaction(pathways: Pathways) -> Act:
    return Act(None, pathways.effects.now())
