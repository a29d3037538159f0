"""The way back: every event of a referral becomes one item of its sender's feed, batch by batch."""

from collections.abc import Awaitable, Callable, Sequence

from polku_referral.feed.store import KEPT, Also, FeedStore, nothing_else
from polku_referral.model.telling import RETURNS, TOLD, tell
from polku_runtime.outcomes import Apply, Dead, Outcome, Received, Result

TYPES = frozenset(kind.TYPE for kind in TOLD)

Returns = Callable[[str], Awaitable[frozenset[str]]]
"""Organisation id → keys of RETURNS."""


async def all_returns(organisation_id: str) -> frozenset[str]:
    """Where nothing was agreed."""
    del organisation_id
    return frozenset(RETURNS)


def feed_senders(feed: FeedStore, also: Also = nothing_else, returns_to: Returns = all_returns) -> Apply:
    """The applier of events that senders hear of; all other types are skipped.

    also: what is written with the rows, in their transaction. returns_to: what each sender may hear. An event that
    comes again changes nothing, also when it comes from a topic that was filled anew and its row is gone by age.
    """

    async def apply(batch: Sequence[Received]) -> Sequence[Result]:
        results: list[Result] = [Outcome.SKIPPED] * len(batch)
        oldest = feed.effects.now() - KEPT
        wanted = [
            (place, received.event)
            for place, received in enumerate(batch)
            if received.event.type in TYPES and received.event.time > oldest
        ]
        about = await feed.about({event.subject for _, event in wanted})
        returns = {one: await returns_to(one) for one in {known.organisation_id for known in about.values()}}
        told = [(place, event) for place, event in wanted if event.subject in about]
        items = [tell(event, about[event.subject], returns[about[event.subject].organisation_id]) for _, event in told]
        fresh = await feed.append(items, also) if items else []
        for place, _ in wanted:
            results[place] = Dead("unknown-referral")
        for (place, _), new in zip(told, fresh, strict=True):
            results[place] = Outcome.APPLIED if new else Outcome.DUPLICATE
        return results

    return apply


def both(react: Apply, tell_senders: Apply) -> Apply:
    """An applier that does both with a batch; each type of event belongs to one of the two."""

    async def apply(batch: Sequence[Received]) -> Sequence[Result]:
        to_tell = [place for place, received in enumerate(batch) if received.event.type in TYPES]
        results = list(await react(batch))
        if to_tell:
            told = await tell_senders([batch[place] for place in to_tell])
            for place, outcome in zip(to_tell, told, strict=True):
                results[place] = outcome
        return results

    return apply
