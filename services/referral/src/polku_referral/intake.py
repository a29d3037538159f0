"""The way in: referrals that arrive together are written together (docs/decisions/0011).

Order within a round: what was sent before, what is agreed, then what is new is kept (`keeping.py`).
"""

from collections.abc import Mapping, Sequence

from polku_events.refusals import Refused
from polku_referral.admin.agreements import Agreements
from polku_referral.keeping import AT_ONCE, TRIES, Keeper
from polku_referral.repository import Kept, Sent
from polku_referral.rounds import Rounds, together
from polku_referral.submission import Accepted, Result, Submission
from polku_referral.vault import Erased, Sealed

ROUND = 50
"""Large enough to share one write, small enough to end well before its deadline on a machine that is busy."""
ROUND_SECONDS = 1.5
"""A post hears within 2 s that MongoDB is gone."""
Name = tuple[str, bool, str, str]
"""By what a referral is known again: organisation, trial or not, `id` or `key`, and the sender's id or key."""


class Intake:
    """Takes referrals in, one answer for each."""

    def __init__(self, keeper: Keeper, agreements: Agreements) -> None:
        self.keeper = keeper
        self.agreements = agreements
        self._rounds = Rounds(self.receive_many, largest=ROUND, seconds=ROUND_SECONDS)

    async def receive(self, submission: Submission) -> Accepted:
        """One referral, written with whatever else arrives meanwhile. Raises Refused, Sealed, what MongoDB raises."""
        result = await self._rounds.join(submission)
        if not isinstance(result, Accepted):
            raise result
        return result

    async def receive_many(self, submissions: Sequence[Submission]) -> list[Result]:
        """One result per submission, in order. All are durable (majority, journaled) when this returns."""
        results: dict[int, Result] = {}
        for _ in range(TRIES):
            open_places = [place for place in range(len(submissions)) if place not in results]
            foreseen = await self.foreseen([submissions[place] for place in open_places])
            fresh = [place for place, found in zip(open_places, foreseen, strict=True) if found is None]
            known = [(place, found) for place, found in zip(open_places, foreseen, strict=True) if found is not None]
            answers = await together(self._answer, [(submissions[place], found) for place, found in known], AT_ONCE)
            results |= {place: answer for (place, _), answer in zip(known, answers, strict=True)}
            fresh = _first_of_each(submissions, fresh)
            written = await self.keeper.write([submissions[place] for place in fresh])
            results |= {place: made for place, made in zip(fresh, written, strict=True) if made is not None}
            if len(results) == len(submissions):
                return [results[place] for place in range(len(submissions))]
        raise TimeoutError("the same referrals kept arriving elsewhere at the same time")

    async def receive_whole(self, submissions: Sequence[Submission]) -> list[Result | None]:
        """As receive_many, but all or nothing: one that is refused keeps out all that is new, which gets None.

        No two of them may have the same id.
        """
        for _ in range(TRIES):
            foreseen = await self.foreseen(submissions)
            known = [(one, found) for one, found in zip(submissions, foreseen, strict=True) if found is not None]
            answers = iter(await together(self._answer, known, AT_ONCE))
            results = [None if found is None else next(answers) for found in foreseen]
            fresh = [one for one, result in zip(submissions, results, strict=True) if result is None]
            if not fresh or any(isinstance(result, Refused | Sealed) for result in results):
                return results
            written = await self.keeper.write_whole(fresh)
            if written is not None:
                is_in = all(isinstance(result, Accepted) for result in written)
                new = iter(written if is_in else [None if isinstance(one, Accepted) else one for one in written])
                return [next(new) if result is None else result for result in results]
        raise TimeoutError("the same referrals kept arriving elsewhere at the same time")

    async def known(self, submission: Submission) -> bool:
        """True when the very same was sent before, for a dry run. Raises Refused as `receive` would."""
        (found,) = await self.foreseen([submission])
        if isinstance(found, Refused):
            raise found
        return found is not None

    async def receipts(self, referral_ids: Sequence[str]) -> dict[str, str]:
        """By referral id, of those that open: with its person a receipt is erased."""
        kept = await self.keeper.repository.kept(referral_ids)

        async def opened(one: Kept) -> str | None:
            try:
                return await self._receipt(one)
            except Sealed:
                return None

        receipts = zip(kept, await together(opened, kept, AT_ONCE), strict=True)
        return {one.referral.id: receipt for one, receipt in receipts if receipt is not None}

    async def foreseen(self, submissions: Sequence[Submission]) -> list[Kept | Refused | None]:
        """What `receive_many` would answer with if nothing changed: what a submission repeats, a no, or None: taken in.

        They are compared with what was sent before, not with each other.
        """
        before = _index(await self.keeper.repository.sent_before(_sent(one) for one in submissions))
        # Whatever was agreed since, a repeat gets the same answer.
        return [self._again(one, before) or await self._not_agreed(one) for one in submissions]

    async def _not_agreed(self, one: Submission) -> Refused | None:
        """The no of the agreements with its sender. Who only tries is bound by none."""
        if one.test:
            return None
        body = one.body
        return await self.agreements.refusal(
            one.organisation_id,
            programme=body.programme,
            route=body.route,
            service=body.service,
            unknown=list(one.unmapped),
        )

    def _again(self, one: Submission, before: Mapping[Name, Kept]) -> Kept | Refused | None:
        """What was kept of the very same submission; Refused when its id or key stands for something else."""
        by_id = before.get((one.organisation_id, one.test, "id", one.body.external_id))
        by_key = before.get((one.organisation_id, one.test, "key", one.idempotency_key or ""))
        found = by_id or by_key
        if found is None:
            return None
        same = found.content == self.keeper.content(one)
        if not same or (by_key is not None and by_key.referral.external_id != one.body.external_id):
            return Refused("idempotency-mismatch")
        return found

    async def _answer(self, found: tuple[Submission, Kept | Refused]) -> Result:
        one, kept = found
        if isinstance(kept, Refused):
            return kept
        try:
            receipt = await self._receipt(kept)
        except Erased:
            return Refused("erased")
        except Sealed as sealed_still:
            return sealed_still
        return Accepted(kept.referral, receipt, is_new=one.turn is not None and one.turn == kept.turn)

    async def _receipt(self, kept: Kept) -> str:
        opened = await self.keeper.vault.open(
            kept.sealed["receipt"], kept.referral.person_id, f"receipt:{kept.referral.id}"
        )
        receipt: str = opened["receipt"]
        return receipt


def _index(found: Sequence[Kept]) -> dict[Name, Kept]:
    index: dict[Name, Kept] = {}
    for kept in found:
        organisation, test = kept.referral.organisation_id, kept.referral.test
        index[organisation, test, "id", kept.referral.external_id] = kept
        if kept.idempotency_key is not None:
            index[organisation, test, "key", kept.idempotency_key] = kept
    return index


def _sent(one: Submission) -> Sent:
    return Sent(one.organisation_id, one.test, one.body.external_id, one.idempotency_key)


def _first_of_each(submissions: Sequence[Submission], places: Sequence[int]) -> list[int]:
    """Of several with the same id or key in one round the first is written; the others find it afterwards."""
    seen: set[Name] = set()
    first = []
    for place in places:
        organisation, test, external_id, key = _sent(submissions[place])
        names: set[Name] = {(organisation, test, "id", external_id)}
        names |= {(organisation, test, "key", key)} if key is not None else set()
        if seen.isdisjoint(names):
            first.append(place)
            seen |= names
    return first
