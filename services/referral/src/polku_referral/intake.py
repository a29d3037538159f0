"""The way in: referrals that arrive together are written together (docs/decisions/0011).

Order within a round: what was sent before, the persons, then the referrals with their events. A crash between
leaves at most a person without a referral, who is found again by the next try.
"""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from bson import Binary

from polku_events import EventData
from polku_events.refusals import Refused
from polku_referral.admin.agreements import Agreements
from polku_referral.keys import SigningKeys
from polku_referral.master import MasterKey
from polku_referral.model.identity import IdentityCode
from polku_referral.model.person import Person, new_case_code
from polku_referral.model.referral import Referral, receive
from polku_referral.model.terms import Terms
from polku_referral.receipts import receipt
from polku_referral.repository import Kept, Known, Repository, Sent
from polku_referral.rounds import Rounds, together
from polku_referral.vault import Erased, Sealed, Vault
from polku_referral.wire import ReferralIn
from polku_runtime.effects import Effects
from polku_runtime.mongo import Document
from polku_web.formats import local_day

ROUND = 50
"""Large enough to share one write, small enough to end well before its deadline on a machine that is busy."""
ROUND_SECONDS = 1.5
"""A post hears within 2 s that MongoDB is gone."""
AT_ONCE = 16
"""Of one round: a new person's key is a write and a read of its own, and a round of them must end in time."""
TRIES = 5

Name = tuple[str, bool, str, str]
"""By what a referral is known again: organisation, trial or not, `id` or `key`, and the sender's id or key."""


@dataclass(frozen=True)
class Submission:
    """One checked body and who sent it. raw_sha256: hex, of the bytes as received.

    test: sent by a client that only tries. sent: the body in the sender's own codes, where it has some; by it a
    repeat is known, whatever its codes stand for by then. turn: names the row of a job, which is begun again after a
    crash: what it wrote itself before is no repeat. context: of the request, so that the event carries on its trace
    and not that of the round.
    """

    body: ReferralIn
    identity: IdentityCode | None
    organisation_id: str
    client_id: str
    raw_sha256: str
    idempotency_key: str | None
    test: bool = False
    sent: ReferralIn | None = None
    mapped: Mapping[str, str] = field(default_factory=dict)
    unmapped: Mapping[str, str] = field(default_factory=dict)
    turn: str | None = None
    context: Context = field(default_factory=copy_context, compare=False)


@dataclass(frozen=True)
class Accepted:
    """is_new: False when the very same referral had been sent before, elsewhere than in the same turn of a job."""

    referral: Referral
    receipt: str
    is_new: bool


Result = Accepted | Refused | Sealed
"""Sealed: what is known of the person does not open, though it was not erased; a fault on this side."""


class Intake:
    """Takes referrals in, one answer for each."""

    def __init__(
        self,
        repository: Repository,
        vault: Vault,
        master: MasterKey,
        keys: SigningKeys,
        terms: Terms,
        agreements: Agreements,
        effects: Effects,
        issuer: str,
    ) -> None:
        self.repository = repository
        self.vault = vault
        self.master = master
        self.keys = keys
        self.terms = terms
        self.agreements = agreements
        self.effects = effects
        self.issuer = issuer
        self._rounds = Rounds(self.receive_many, largest=ROUND, seconds=ROUND_SECONDS)
        self._has_indexes = False

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
            before = _index(await self.repository.sent_before(_sent(submissions[place]) for place in open_places))
            foreseen = await self._foreseen([submissions[place] for place in open_places], before)
            fresh = [place for place, found in zip(open_places, foreseen, strict=True) if found is None]
            known = [(place, found) for place, found in zip(open_places, foreseen, strict=True) if found is not None]
            answers = await together(self._answer, [(submissions[place], found) for place, found in known], AT_ONCE)
            results |= {place: answer for (place, _), answer in zip(known, answers, strict=True)}
            fresh = _first_of_each(submissions, fresh)
            written = await self._write([submissions[place] for place in fresh])
            results |= {place: made for place, made in zip(fresh, written, strict=True) if made is not None}
            if len(results) == len(submissions):
                return [results[place] for place in range(len(submissions))]
        raise TimeoutError("the same referrals kept arriving elsewhere at the same time")

    async def known(self, submission: Submission) -> bool:
        """True when the very same was sent before, for a dry run. Raises Refused as `receive` would."""
        (found,) = await self.foreseen([submission])
        if isinstance(found, Refused):
            raise found
        return found is not None

    async def foreseen(self, submissions: Sequence[Submission]) -> list[Kept | Refused | None]:
        """What `receive_many` would answer with if nothing changed: what a submission repeats, a no, or None: taken in.

        They are compared with what was sent before, not with each other.
        """
        before = _index(await self.repository.sent_before(_sent(one) for one in submissions))
        return await self._foreseen(submissions, before)

    async def _foreseen(
        self, submissions: Sequence[Submission], before: Mapping[Name, Kept]
    ) -> list[Kept | Refused | None]:
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
        same = found.content == self.content(one)
        if not same or (by_key is not None and by_key.referral.external_id != one.body.external_id):
            return Refused("idempotency-mismatch")
        return found

    async def _answer(self, found: tuple[Submission, Kept | Refused]) -> Result:
        one, kept = found
        if isinstance(kept, Refused):
            return kept
        referral = kept.referral
        try:
            sealed = await self.vault.open(kept.sealed["receipt"], referral.person_id, f"receipt:{referral.id}")
        except Erased:
            return Refused("erased")
        except Sealed as sealed_still:
            return sealed_still
        return Accepted(referral, sealed["receipt"], is_new=one.turn is not None and one.turn == kept.turn)

    async def _write(self, fresh: Sequence[Submission]) -> list[Result | None]:
        """One answer per submission; None for one that somebody else wrote at the same moment."""
        if not fresh:
            return []
        if not self._has_indexes:
            await self.repository.create_indexes()  # without them nothing would be unique
            await self.keys.signer()  # made once, not by each of the first round
            self._has_indexes = True
        persons = await self._persons(fresh)
        made = await together(self._referral, list(zip(fresh, persons, strict=True)), AT_ONCE)
        results: list[Result | None] = [result for result, _ in made]
        rows = {place: row for place, (_, row) in enumerate(made) if row is not None}
        refused = await self.repository.add_referrals(list(rows.values()))
        for number, place in enumerate(rows):
            if number in refused:
                results[place] = None
        return results

    async def _persons(self, fresh: Sequence[Submission]) -> list[Known]:
        """The person of each submission, found by identity code or made now."""
        names = [self._lookup(one) for one in fresh]
        known: dict[str, Known] = {}
        for _ in range(TRIES):
            unknown = [name for name in names if name not in known]
            if unknown:
                known.update(await self.repository.known_persons(unknown))
            missing = {name: one for name, one in zip(names, fresh, strict=True) if name not in known}
            if not missing:
                return [known[name] for name in names]
            made = await together(self._new_person, list(missing.items()), AT_ONCE)
            refused = await self.repository.add_persons([row for _, row in made])
            # Refused: somebody made the same person at this moment, or the case code was taken; both are tried again.
            names_made = zip(missing, made, strict=True)
            known.update({name: new for place, (name, (new, _)) in enumerate(names_made) if place not in refused})
        raise TimeoutError("the same persons kept being made elsewhere at the same time")

    def _lookup(self, one: Submission) -> str:
        """By what the person is found. Without an identity code only the same referral, sent again, finds them.

        Persons of trials are nobody: they never meet the others, whatever their code is.
        """
        apart = "test " if one.test else ""
        if one.identity:
            whose = f"{one.organisation_id} " if one.test else ""
            return self.master.lookup(f"{apart}{whose}{one.identity.code}")
        born = one.body.person.date_of_birth
        return self.master.lookup(f"{apart}{one.organisation_id} {one.body.external_id} {born}")

    async def _new_person(self, named: tuple[str, Submission]) -> tuple[Known, Document]:
        name, one = named
        person = Person(id=self.effects.new_id(), case_code=new_case_code(self.effects.random), test=one.test)
        key = await self.vault.key()
        said = one.body.person
        born = one.identity.born if one.identity else said.date_of_birth
        identity = {
            "identity_code": one.identity.code if one.identity else None,
            "date_of_birth": born.isoformat() if born else None,
            **_named(one),
        }
        sealed = {
            "identity": await self.vault.seal(key, person.id, "identity", identity),
            "contact": await self.vault.seal(key, person.id, "contact", _contact(one)),
        }
        extra: Document = {"key": key, "sealed": sealed, "lookup": name}
        return Known(person, key, sealed), self.repository.persons.document(person, [], extra)

    async def _referral(self, who: tuple[Submission, Known]) -> tuple[Result, Document | None]:
        """The answer and what is to be written. One that does not open refuses nobody else's in the round."""
        try:
            return await self._sealed(*who)
        except Erased:
            return Refused("erased"), None
        except Sealed as sealed_still:
            return sealed_still, None

    async def _sealed(self, one: Submission, known: Known) -> tuple[Accepted, Document]:
        referral, events = self._received(one, known.person)
        signed = await receipt(
            self.keys,
            issuer=self.issuer,
            organisation_id=one.organisation_id,
            external_id=one.body.external_id,
            referral_id=referral.id,
            body_sha256=one.raw_sha256,
            at=referral.received_at,
        )
        notes = one.body.model_dump(mode="json", include={"ground", "labour_market", "reason", "sender"})
        # Kept with each referral too: of a person who is known already the later sender may know better.
        notes |= {"contact": _contact(one), "person": _named(one)}
        sealed: dict[str, Binary] = {
            "notes": await self.vault.seal(known.key, known.person.id, f"notes:{referral.id}", notes),
            "receipt": await self.vault.seal(known.key, known.person.id, f"receipt:{referral.id}", {"receipt": signed}),
        }
        extra: Document = {"sealed": sealed, "content": self.content(one)}
        if one.idempotency_key is not None:
            extra["idempotency_key"] = one.idempotency_key
        if one.turn is not None:
            extra["turn"] = one.turn
        row = one.context.run(self.repository.referrals.document, referral, events, extra)
        return Accepted(referral, signed, is_new=True), row

    def _received(self, one: Submission, person: Person) -> tuple[Referral, list[EventData]]:
        body, now = one.body, self.effects.now()
        due = self.terms.answer_due(body.route, body.urgency, local_day(now))
        return receive(
            referral_id=self.effects.new_id(),
            external_id=body.external_id,
            organisation_id=one.organisation_id,
            person_id=person.id,
            case_code=person.case_code,
            programme=body.programme,
            route=body.route,
            service=body.service,
            urgency=body.urgency,
            referred_on=body.referred_on,
            answer_due=due,
            expires_on=self.terms.expires_on(body.route, due),
            mapped=one.mapped,
            unmapped=one.unmapped,
            test=one.test,
            at=now,
            by=one.client_id,
        )

    def content(self, one: Submission) -> str:
        """Tells whether two bodies say the same: spelt out or left to a default, composed letters or not."""
        said = (one.sent or one.body).model_dump_json(exclude_defaults=True)
        return self.master.content(unicodedata.normalize("NFC", said).encode())


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _contact(one: Submission) -> dict[str, object]:
    said = one.body.person
    return said.model_dump(mode="json", include={"municipality", "phone", "email", "protected_address"})


def _named(one: Submission) -> dict[str, object]:
    return one.body.person.model_dump(mode="json", include={"given_names", "family_name", "language"})


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
