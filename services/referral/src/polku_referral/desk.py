"""Where wishes meet referrals: found under the caller's rights, decided, saved. API and pages share it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from bson import Binary

from polku_events.refusals import Refused, Wrong, refuse_if
from polku_referral.audit import Audit, Look, as_id
from polku_referral.directory import Directory
from polku_referral.intake import Intake
from polku_referral.model import answers
from polku_referral.model.referral import Referral
from polku_referral.model.terms import Terms
from polku_referral.repository import Kept, Repository, name_scope_of, order_of, place_of, scope_of
from polku_referral.vault import Erased, Sealed, Vault
from polku_referral.wire import AcceptIn, DeclineIn
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace
from polku_runtime.effects import Effects
from polku_web.codes import Codes
from polku_web.formats import local_day
from polku_web.paging import Page, Window, after_key, page
from polku_web.problems import Problem

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """What the vault gave of one person; a class that is erased is empty."""

    identity: dict[str, Any]
    contact: dict[str, Any]
    notes: dict[str, Any]


@dataclass(frozen=True)
class Desk:
    """What one API process works with; `app.state.desk`."""

    repository: Repository
    directory: Directory
    vault: Vault
    audit: Audit
    intake: Intake
    codes: Codes
    terms: Terms
    effects: Effects

    @property
    def today(self) -> date:
        """The present day in Helsinki."""
        return local_day(self.effects.now())

    async def find(self, who: Principal, referral_id: str) -> Kept:
        """Raises Problem 404: unknown, or not for this caller; which of the two, only the audit trail may tell."""
        found = await self.repository.get(referral_id, scope_of(who))
        if found is None:
            # What was asked for may be anything that somebody typed; only what could be an id is kept.
            await self.audit.write(who, [Look(None, "denied", about=as_id(referral_id))])
            raise Problem(404, "not-found")
        return found

    async def listed(
        self, who: Principal, part: Window, *, state: str | None, external_id: str | None = None, own: bool = False
    ) -> Page[Referral]:
        """One page of the caller's referrals. own: those in the caller's case-load alone.

        Raises Problem 422 when the cursor is of a list in another order.
        """
        rows = await self.repository.listed(
            scope_of(who, own=own),
            state=state,
            external_id=external_id,
            after=after_key(order_of(state), part.after),
            limit=part.fetch,
        )
        return page(rows, part, lambda row: place_of(row, state))

    async def accept(self, who: Principal, referral_id: str, seen: int, wish: AcceptIn) -> Referral:
        """Raises LostRace with the present state, Refused, Problem 404."""
        before = await self._present(who, referral_id, seen)
        on = wish.accepted_on or self.today
        wrong = []
        if on > self.today:
            wrong.append(Wrong("accepted_on", "in-future"))
        if on < before.referred_on:
            wrong.append(Wrong("accepted_on", "before-referral"))
        coordinator = wish.coordinator_id or who.id
        if coordinator not in {member.id for member in await self.directory.coordinators(before.programme)}:
            wrong.append(Wrong("coordinator_id", "not-a-coordinator"))
        refuse_if(wrong)
        after, events = answers.accept(before, coordinator_id=coordinator, on=on, at=self.effects.now(), by=who.id)
        return await self.repository.save(before, after, events, scope_of(who))

    async def decline(self, who: Principal, referral_id: str, seen: int, wish: DeclineIn) -> Referral:
        """The text is sealed with the person's key and goes to the sender alone. Raises as `accept`."""
        before = await self._present(who, referral_id, seen)
        wrong = []
        if not self.codes.allows("decline_reason", wish.reason, self.today):
            wrong.append(Wrong("reason", "unknown-code"))
        if wish.reason == "other" and not wish.text.strip():
            wrong.append(Wrong("text", "needed"))
        refuse_if(wrong)
        after, events = answers.decline(before, reason=wish.reason, on=self.today, at=self.effects.now(), by=who.id)
        sealed = {}
        if wish.text.strip():
            sealed["decline"] = await self._seal_decline(before, wish.text.strip())
        return await self.repository.save(before, after, events, scope_of(who), sealed)

    async def decline_text(self, who: Principal, kept: Kept) -> str | None:
        """What was written to the sender; a look like any other."""
        blob = kept.sealed.get("decline")
        if blob is None:
            return None
        await self.audit.write(who, [Look(kept.referral.person_id, "read-answer", ("decline",))])
        opened = await self._open(blob, kept.referral.person_id, f"decline:{kept.referral.id}")
        return opened.get("text")

    async def receipt(self, kept: Kept) -> str | None:
        """The receipt again, for its sender."""
        referral = kept.referral
        opened = await self._open(kept.sealed.get("receipt"), referral.person_id, f"receipt:{referral.id}")
        return opened.get("receipt")

    async def open_person(self, who: Principal, kept: Kept) -> Opened:
        """The person behind a referral and what the sender told. Written down before it is opened.

        What is erased is empty, and nothing else breaks.
        """
        referral, person_id = kept.referral, kept.referral.person_id
        await self.audit.write(who, [Look(person_id, "read-referral", ("identity", "contact", "notes"))])
        known = await self.repository.person(person_id)
        sealed = known.sealed if known is not None else {}
        notes = await self._open(kept.sealed.get("notes"), person_id, f"notes:{referral.id}")
        contact = await self._open(sealed.get("contact"), person_id, "contact")
        # What this sender told goes before what was told when the person was first heard of.
        contact |= {name: value for name, value in notes.get("contact", {}).items() if value is not None}
        if contact:
            contact["protected_address"] = await self._is_protected(person_id)
        return Opened(await self._open(sealed.get("identity"), person_id, "identity"), contact, notes)

    async def names(self, who: Principal, person_ids: Sequence[str]) -> dict[str, str]:
        """Names of those persons that the reader may see, each look written down before it is opened."""
        persons = await self.repository.persons_in(person_ids, name_scope_of(who))
        await self.audit.write(who, [Look(known.person.id, "read-name", ("identity",)) for known in persons])
        names = {}
        for known in persons:
            try:
                identity = await self._open(known.sealed.get("identity"), known.person.id, "identity")
            except Sealed:
                log.error("a name does not open", extra={"collection": "persons"})  # noqa: TRY400 - whose: see the audit
                continue  # one name less must not take all names off a page
            if identity:
                names[known.person.id] = f"{identity['given_names']} {identity['family_name']}"
        return names

    async def _is_protected(self, person_id: str) -> bool:
        """True when any sender has told of a non-disclosure order: the others may not know of it."""
        for referral_id, blob in await self.repository.notes_of(person_id):
            told = await self._open(blob, person_id, f"notes:{referral_id}")
            if told.get("contact", {}).get("protected_address"):
                return True
        return False

    async def _present(self, who: Principal, referral_id: str, seen: int) -> Referral:
        found = (await self.find(who, referral_id)).referral
        if found.version != seen:
            raise LostRace(found)
        return found

    async def _seal_decline(self, referral: Referral, text: str) -> Binary:
        known = await self.repository.person(referral.person_id)
        if known is None:
            raise Refused("erased")
        try:
            return await self.vault.seal(known.key, referral.person_id, f"decline:{referral.id}", {"text": text})
        except Erased:
            raise Refused("erased") from None

    async def _open(self, blob: Binary | None, person_id: str, kind: str) -> dict[str, Any]:
        """The data; empty when they were erased. Raises Sealed when they stand where they do not belong."""
        try:
            return await self.vault.open(blob, person_id, kind) if blob is not None else {}
        except Erased:
            return {}
