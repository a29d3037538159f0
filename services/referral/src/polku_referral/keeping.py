"""Keeping what came in: a person per identity code, what is personal sealed, referrals with their events.

Each referral by itself: a crash between the two leaves at most a person without a referral, who is found again by the
next try. As a whole: one transaction holds the persons and the referrals (docs/decisions/0022).
"""

import unicodedata
from collections.abc import Sequence

from bson import Binary

from polku_events import EventData
from polku_events.refusals import Refused
from polku_referral.keys import SigningKeys
from polku_referral.master import MasterKey
from polku_referral.model.code_map import is_own
from polku_referral.model.person import Person, new_case_code
from polku_referral.model.referral import Referral, receive
from polku_referral.model.terms import Terms
from polku_referral.receipts import receipt
from polku_referral.repository import Known, Repository
from polku_referral.rounds import together
from polku_referral.submission import Accepted, Result, Submission
from polku_referral.vault import Erased, Sealed, Vault
from polku_runtime.effects import Effects
from polku_runtime.mongo import Document
from polku_web.formats import local_day

AT_ONCE = 16
"""Of one round: a new person's key is a write and a read of its own, and a round of them must end in time."""
SEALED_AT_A_TIME = 25
"""Of a whole: what is sealed with keys at hand waits for nothing, and others must get a turn."""
TRIES = 5


class Keeper:
    """Writes new referrals with their persons."""

    def __init__(
        self,
        repository: Repository,
        vault: Vault,
        master: MasterKey,
        keys: SigningKeys,
        terms: Terms,
        effects: Effects,
        issuer: str,
    ) -> None:
        self.repository = repository
        self.vault = vault
        self.master = master
        self.keys = keys
        self.terms = terms
        self.effects = effects
        self.issuer = issuer
        self._has_indexes = False

    async def write(self, fresh: Sequence[Submission]) -> list[Result | None]:
        """One answer per submission; None for one that somebody else wrote at the same moment."""
        if not fresh:
            return []
        await self._prepared()
        persons = await self._persons(fresh)
        made = await together(self._referral, list(zip(fresh, persons, strict=True)), AT_ONCE)
        results: list[Result | None] = [result for result, _ in made]
        rows = {place: row for place, (_, row) in enumerate(made) if row is not None}
        refused = await self.repository.add_referrals(list(rows.values()))
        for number, place in enumerate(rows):
            if number in refused:
                results[place] = None
        return results

    async def write_whole(self, fresh: Sequence[Submission]) -> list[Result] | None:
        """All in one transaction, new persons too; nothing when one of the answers is no Accepted.

        None when somebody else wrote one of them at the same moment: then nothing was written either.
        """
        await self._prepared()
        names = [self._lookup(one) for one in fresh]
        known = await self.repository.known_persons(names)
        missing = {name: one for name, one in zip(names, fresh, strict=True) if name not in known}
        persons = await together(self._new_person, list(missing.items()), AT_ONCE)
        known |= {name: new for name, (new, _) in zip(missing, persons, strict=True)}
        whose = [(one, known[name]) for one, name in zip(fresh, names, strict=True)]
        made: list[tuple[Result, Document | None]] = []
        for begin in range(0, len(whose), SEALED_AT_A_TIME):
            made += await together(self._referral, whose[begin : begin + SEALED_AT_A_TIME], AT_ONCE)
        rows = [row for _, row in made if row is not None]
        if len(rows) == len(made) and not await self.repository.add_whole([row for _, row in persons], rows):
            return None
        return [result for result, _ in made]

    async def _prepared(self) -> None:
        if not self._has_indexes:
            await self.repository.create_indexes()  # without them nothing would be unique
            await self.keys.signer()  # made once, not by each of the first round
            self._has_indexes = True

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
            own_municipality=is_own(body.person.municipality),
            test=one.test,
            at=now,
            by=one.client_id,
        )

    def content(self, one: Submission) -> str:
        """Tells whether two bodies say the same: spelt out or left to a default, composed letters or not."""
        said = (one.sent or one.body).model_dump_json(exclude_defaults=True)
        return self.master.content(unicodedata.normalize("NFC", said).encode())


def _contact(one: Submission) -> dict[str, object]:
    said = one.body.person
    return said.model_dump(mode="json", include={"municipality", "phone", "email", "protected_address"})


def _named(one: Submission) -> dict[str, object]:
    return one.body.person.model_dump(mode="json", include={"given_names", "family_name", "language"})
