"""Where readers meet referrals: found under the caller's rights, listed, opened. Every door and the pages share it.

What may be done with a referral stands in `answering.py` (the project) and `sending.py` (its sender).
"""

import logging
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from typing import Any

from bson import Binary

from polku_events.refusals import Refused
from polku_referral import views
from polku_referral.admin.agreements import Agreements
from polku_referral.audit import Audit, Look, denied
from polku_referral.checks import checked
from polku_referral.code_maps import CodeMaps
from polku_referral.directory import Directory
from polku_referral.intake import Intake
from polku_referral.master import MasterKey
from polku_referral.model.code_map import is_own, own_code, read_municipality
from polku_referral.model.identity import Which
from polku_referral.model.referral import Referral
from polku_referral.model.terms import Terms
from polku_referral.repository import Kept, Repository, Scope, name_scope_of, order_of, place_of, scope_of
from polku_referral.submission import Submission
from polku_referral.vault import Erased, Sealed, Vault
from polku_referral.wire import MessageOut, ReferralIn, ReferralOut
from polku_runtime.access import Principal
from polku_runtime.effects import Effects
from polku_web.codes import Codes
from polku_web.formats import local_day
from polku_web.paging import Page, Window, after_key, page
from polku_web.problems import Problem

log = logging.getLogger(__name__)

WRITTEN: Mapping[str, str] = {
    "question-asked": "question",
    "answered": "answer",
    "waitlisted": "waitlist",
    "declined": "decline",
    "forwarded": "forward",
    "withdrawn": "withdraw",
    "withdrawal-requested": "request-withdrawal",
}
"""Steps of the history that a text may go with, and what the text is called."""


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
    master: MasterKey
    audit: Audit
    intake: Intake
    agreements: Agreements
    codes: Codes
    code_maps: CodeMaps
    terms: Terms
    effects: Effects
    identity_codes: Which

    @property
    def today(self) -> date:
        """The present day in Helsinki."""
        return local_day(self.effects.now())

    async def submission(
        self, who: Principal, body: ReferralIn, *, raw_sha256: str, idempotency_key: str | None = None
    ) -> Submission:
        """What a sender sent, checked and read by the map of its organisation's codes, for the intake.

        Every door goes this way, so that all refuse alike. Raises Refused with every field that is wrong.
        """
        organisation_id = who.organisation_id or ""
        which: Which = "artificial" if who.test else self.identity_codes
        read = checked(body, self.codes, which, self.today, await self.code_maps.of(organisation_id))
        return Submission(
            body=read.body,
            identity=read.identity,
            organisation_id=organisation_id,
            client_id=who.id,
            raw_sha256=raw_sha256,
            idempotency_key=idempotency_key,
            test=who.test,
            sent=body,
            mapped=read.mapped,
            unmapped=read.unmapped,
        )

    async def find(self, who: Principal, referral_id: str, scope: Scope | None = None) -> Kept:
        """Raises Problem 404: unknown, or not for this caller; which of the two, only the audit trail may tell.

        scope: where to look, `scope_of` the caller when left out.
        """
        found = await self.repository.get(referral_id, scope_of(who) if scope is None else scope)
        if found is None:
            await self.audit.write(who, [denied(referral_id)])
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

    async def shown(
        self, who: Principal, referral: Referral, *, receipt: str | None = None, messages: Sequence[MessageOut] = ()
    ) -> ReferralOut:
        """The referral as this caller may see it, by the agreement with its sender and in the sender's codes too."""
        seen = views.told(referral, await self.returns(who, referral))
        own: dict[str, str] = {}
        if not who.has_role(*views.PROJECT):
            code_map = await self.code_maps.of(referral.organisation_id)
            reason = seen.reason if seen.state == "declined" else None
            found = {
                "reason": own_code(code_map, "decline_reason", reason),
                "outcome": own_code(code_map, "outcome", seen.outcome),
            }
            own = {field: code for field, code in found.items() if code is not None}
        return views.referral(seen, who, receipt=receipt, messages=messages, own=own)

    async def returns(self, who: Principal, referral: Referral) -> AbstractSet[str]:
        """What of a referral's answer this caller may hear: keys of `views.HELD_BACK`; the project all of it."""
        if who.has_role(*views.PROJECT):
            return views.HELD_BACK.keys()
        return await self.agreements.returns(referral.organisation_id)

    async def messages(self, who: Principal, kept: Kept) -> list[MessageOut]:
        """What both sides wrote to each other about a referral; a look like any other.

        What is erased, and what the agreement keeps from a sender, is left out.
        """
        referral = kept.referral
        held_back = () if "reason" in await self.returns(who, referral) else views.REASONS
        written = [
            (step, kind, name)
            for version, step in enumerate(referral.history, start=1)
            if (kind := WRITTEN.get(step.kind))
            and (name := _name(kind, version)) in kept.sealed
            and kind not in held_back
        ]
        if not written:
            return []
        classes = tuple(dict.fromkeys(kind for _, kind, _ in written))
        await self.audit.write(who, [Look(referral.person_id, "read-messages", classes)])
        messages = []
        for step, kind, name in written:
            opened = await self._open(kept.sealed[name], referral.person_id, _class(name, referral.id))
            if opened:
                messages.append(MessageOut(kind=kind, at=step.at, party=step.party, text=opened["text"]))
        return messages

    async def sealed_message(self, after: Referral, text: str) -> dict[str, Binary]:
        """The text that goes with a referral's last step, for `Repository.save`; nothing for no text.

        Raises Refused when the person is erased.
        """
        if not text.strip():
            return {}
        name = _name(WRITTEN[after.history[-1].kind], after.version)
        return {name: await self.seal(after, _class(name, after.id), {"text": text.strip()})}

    async def seal(self, referral: Referral, kind: str, data: Mapping[str, Any]) -> Binary:
        """Under the person's key. Raises Refused when the person is erased."""
        known = await self.repository.person(referral.person_id)
        if known is None:
            raise Refused("erased")
        try:
            return await self.vault.seal(known.key, referral.person_id, kind, data)
        except Erased:
            raise Refused("erased") from None

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
        told = await self.told_contact(kept)
        contact |= told | await self._read_municipality(kept, told.get("municipality"))
        if contact:
            contact["protected_address"] = await self._is_protected(person_id)
        return Opened(await self._open(sealed.get("identity"), person_id, "identity"), contact, notes)

    async def told_contact(self, kept: Kept) -> dict[str, Any]:
        """What its sender has told of how to reach the person, with its corrections, as it told it."""
        notes = await self._open(kept.sealed.get("notes"), kept.referral.person_id, f"notes:{kept.referral.id}")
        told = {name: value for name, value in notes.get("contact", {}).items() if value is not None}
        return told | await self.corrected_contact(kept)

    async def sealed_municipality(self, kept: Kept, code: str) -> dict[str, Binary]:
        """What the sender's own words for the municipality stand for, for `Repository.save`; for these words alone.

        code: three digits. Raises Refused when the person is erased.
        """
        own = (await self.told_contact(kept)).get("municipality")
        kind = f"municipality:{kept.referral.id}"
        return {"municipality": await self.seal(kept.referral, kind, {"own": own, "code": code})}

    async def _read_municipality(self, kept: Kept, told: str | None) -> dict[str, str]:
        """The sender's own words read: as somebody said of them here, else by its organisation's map as it is now."""
        if told is None or not is_own(told):
            return {}
        referral = kept.referral
        said = await self._open(kept.sealed.get("municipality"), referral.person_id, f"municipality:{referral.id}")
        by_map = read_municipality(told, await self.code_maps.of(referral.organisation_id))
        code = said["code"] if said.get("own") == told else by_map
        return {"municipality": code or told, "own_municipality": told}

    async def corrected_contact(self, kept: Kept) -> dict[str, Any]:
        """What the sender has corrected since, all corrections taken together; a field may be None now."""
        referral = kept.referral
        return await self._open(kept.sealed.get("contact"), referral.person_id, f"contact:{referral.id}")

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
        for referral_id, sealed in await self.repository.told_of(person_id):
            notes = await self._open(sealed["notes"], person_id, f"notes:{referral_id}")
            corrected = await self._open(sealed.get("contact"), person_id, f"contact:{referral_id}")
            if (notes.get("contact", {}) | corrected).get("protected_address"):
                return True
        return False

    async def _open(self, blob: Binary | None, person_id: str, kind: str) -> dict[str, Any]:
        """The data; empty when they were erased. Raises Sealed when they stand where they do not belong."""
        try:
            return await self.vault.open(blob, person_id, kind) if blob is not None else {}
        except Erased:
            return {}


def _name(kind: str, version: int) -> str:
    """Where a text is kept: of questions, answers and waits there may be several, and all stay."""
    return kind if kind == "decline" else f"{kind}:{version}"


def _class(name: str, referral_id: str) -> str:
    """The class of its blob, as `question:<referral id>:2`."""
    kind, _, version = name.partition(":")
    return f"{kind}:{referral_id}:{version}" if version else f"{kind}:{referral_id}"
