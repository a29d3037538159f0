"""Who may come in, changed: organisations, their agreements and machine clients, by page, API and command line alike.

Every change is a row in the audit trail, written before it; when it then comes to nothing, because somebody else was
quicker, a second row says so. who: None for somebody at the command line.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

from pymongo.errors import DuplicateKeyError

from polku_events import Aggregate
from polku_events.refusals import Refused, Wrong
from polku_referral.admin.agreements import Agreements
from polku_referral.audit import Audit, Look, as_id
from polku_referral.directory import Directory, Met
from polku_referral.door.client_keys import Unfit, fingerprints, new_pair, public_key
from polku_referral.model import clients, organisations
from polku_referral.model.agreements import Agreement
from polku_referral.model.directory import OF_REAL_PEOPLE, Client, Organisation, announce_client
from polku_referral.webhooks.addresses import Allowed, judge
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace
from polku_runtime.effects import Effects
from polku_web.codes import Codes
from polku_web.formats import local_day
from polku_web.paging import Page, Window, after_key, page
from polku_web.problems import Problem

TRIES = 20
BY_CODE = [("code", 1)]
NOT_MADE = "change-not-made"
"""A row after that of a change which lost a race; its detail is the change."""

M = TypeVar("M", bound=Aggregate)
T = TypeVar("T")
Who = Principal | None


@dataclass(frozen=True)
class Admin:
    """What one process works with; `app.state.admin`. allowed: where keys of clients may be fetched from."""

    directory: Directory
    agreements: Agreements
    audit: Audit
    codes: Codes
    allowed: Allowed
    effects: Effects

    @property
    def today(self) -> date:
        """The present day in Helsinki."""
        return local_day(self.effects.now())

    # -- organisations --------------------------------------------------------------------------------------

    async def listed(self, part: Window) -> Page[Organisation]:
        rows = await self.directory.organisations_after(after_key(BY_CODE, part.after), part.fetch)
        return page(rows, part, lambda row: (row.code,))

    async def organisation(self, organisation_id: str) -> Organisation:
        """Raises Problem 404."""
        found = await self.directory.organisations.get(organisation_id)
        if found is None:
            raise Problem(404, "not-found")
        return found

    async def add_organisation(self, who: Who, said: Mapping[str, Any]) -> Organisation:
        """said: fields of Organisation. Raises Refused."""
        fresh = Organisation(id=self.effects.new_id(), code=said["code"], name="", kind="other")
        after, events = organisations.described(fresh, said)
        await self._check_unique(after)
        return await self.recorded(
            who, "organisation-added", after.id, lambda: _unique(self.directory.organisations.add(after, events))
        )

    async def change_organisation(
        self, who: Who, organisation_id: str, seen: int | None, said: Mapping[str, Any]
    ) -> Organisation:
        """What `said` leaves out stays. Raises Refused, LostRace, Problem 404."""
        before = _as_seen(await self.organisation(organisation_id), seen)
        after, events = organisations.described(before, said)
        await self._check_unique(after)
        return await self.recorded(
            who, "organisation-changed", before.id, lambda: self._save_organisation(before, (after, events))
        )

    async def open_organisation(
        self, who: Who, organisation_id: str, seen: int | None, *, active: bool
    ) -> Organisation:
        """Lets it in or out, and its clients with it; what they were issued is void then. Safe to repeat."""
        before = after = _as_seen(await self.organisation(organisation_id), seen)
        changed = organisations.opened(before, active=active)
        action = "organisation-activated" if active else "organisation-deactivated"
        if changed is None:
            await self._write(who, action, before.id)
        else:
            opened = changed
            after = await self.recorded(who, action, before.id, lambda: self._save_organisation(before, opened))
        now = self.effects.now()
        for client in await self.directory.clients_of(organisation_id):
            await self._follow(client.id, lambda one: clients.suspend(one, suspended=not active, at=now))
        return after

    async def add_agreement(
        self, who: Who, organisation_id: str, seen: int | None, said: Mapping[str, Any]
    ) -> Organisation:
        """said: fields of Agreement, which is the last one then. Raises Refused, LostRace, Problem 404."""
        before = _as_seen(await self.organisation(organisation_id), seen)
        agreement = Agreement(id=self.effects.new_id(), **said)
        wrong = organisations.unknown_codes(agreement, self.codes.lists)
        if wrong:
            raise Refused("invalid", wrong)
        changed = organisations.agreed(before, agreement)
        return await self._agreed(who, "agreement-added", agreement.id, before, changed)

    async def end_agreement(
        self, who: Who, organisation_id: str, seen: int | None, agreement_id: str, ends_on: date
    ) -> Organisation:
        """Raises Refused, LostRace, Problem 404."""
        before = _as_seen(await self.organisation(organisation_id), seen)
        changed = organisations.agreement_ended(before, agreement_id, ends_on)
        return await self._agreed(who, "agreement-ended", agreement_id, before, changed)

    async def _agreed(
        self, who: Who, action: str, agreement_id: str, before: Organisation, changed: organisations.Changed
    ) -> Organisation:
        after = await self.recorded(
            who, action, before.id, lambda: self._save_organisation(before, changed), agreement_id
        )
        self.agreements.forget(before.id)
        return after

    async def _save_organisation(self, before: Organisation, changed: organisations.Changed) -> Organisation:
        return await _unique(self.directory.organisations.save(before, *changed))

    # -- clients --------------------------------------------------------------------------------------------

    async def clients_of(self, organisation_id: str) -> list[tuple[Client, Met]]:
        found = await self.directory.clients_of(organisation_id)
        met = await self.directory.met(client.id for client in found)
        return [(client, met.get(client.id, Met())) for client in found]

    async def met(self, client_id: str) -> Met:
        """How the door has met a client."""
        return (await self.directory.met([client_id])).get(client_id, Met())

    async def client(self, client_id: str, organisation_id: str | None = None) -> Client:
        """Raises Problem 404: unknown, or of another organisation than the address says."""
        found = await self.directory.client(client_id)
        if found is None or organisation_id not in (None, found.organisation_id):
            raise Problem(404, "not-found")
        return found

    async def add_client(
        self, who: Who, organisation_id: str, said: Mapping[str, Any], key: str | None
    ) -> tuple[Client, dict[str, Any] | None]:
        """said: fields of Client. key: a JWK or PEM; without it and without a JWKS address a pair is made.

        Answers the private half of that pair, which is kept nowhere. Raises Refused, Problem 404.
        """
        owner = await self.organisation(organisation_id)
        if said.get("test") and not OF_REAL_PEOPLE.isdisjoint(said["scopes"]):
            raise Refused("invalid", [Wrong("scopes", "not-for-trials")])
        private: dict[str, Any] | None = None
        keys: tuple[dict[str, Any], ...] = ()
        if said.get("jwks_uri"):
            if key:
                raise Refused("invalid", [Wrong("public_key", "key-or-address")])
            if isinstance(judge(said["jwks_uri"], self.allowed), str):
                raise Refused("invalid", [Wrong("jwks_uri", "not-an-address-for-keys")])
        elif key:
            keys = (_fit(key),)
        else:
            private, made = new_pair()
            keys = (made,)
        # Tokens tell whole seconds: one that is issued in this very second must not look older than the client.
        now = self.effects.now()
        since = now - timedelta(microseconds=now.microsecond)
        fresh = Client(
            id=self.effects.new_id(),
            organisation_id=owner.id,
            keys=keys,
            suspended=not owner.active,
            tokens_valid_from=since,
            **said,
        )
        await self._write(who, "client-added", fresh.id)
        return await self.directory.clients.add(*announce_client(fresh)), private

    async def add_key(self, who: Who, client_id: str, seen: int | None, key: str) -> Client:
        """key: a JWK or PEM. Raises Refused, LostRace, Problem 404."""
        before = _as_seen(await self.client(client_id), seen)
        public, mark = _fit(key), fingerprints(_fit(key)).thumbprint
        if any(fingerprints(one).thumbprint == mark for one in before.keys):
            raise Refused("key-known")
        return await self._client(who, "client-key-added", before, clients.add_key(before, public), mark)

    async def remove_key(self, who: Who, client_id: str, seen: int | None, key: str, *, leaked: bool = False) -> Client:
        """key: its id or thumbprint. leaked: tokens that were issued until now are void too.

        Raises Refused, LostRace, Problem 404.
        """
        before = _as_seen(await self.client(client_id), seen)
        marks = {one["kid"]: fingerprints(one).thumbprint for one in before.keys}
        kid = next((kid for kid, mark in marks.items() if key in (kid, mark)), "")
        after = clients.remove_key(before, kid, void_tokens_at=self.effects.now() if leaked else None)
        return await self._client(who, "client-key-removed", before, after, marks[kid])

    async def revoke(self, who: Who, client_id: str, seen: int | None) -> Client:
        """Raises Refused, LostRace, Problem 404."""
        before = _as_seen(await self.client(client_id), seen)
        return await self._client(who, "client-revoked", before, clients.revoke(before, self.effects.now()))

    async def restore(self, who: Who, client_id: str, seen: int | None) -> Client:
        """Raises Refused, LostRace, Problem 404."""
        before = _as_seen(await self.client(client_id), seen)
        return await self._client(who, "client-restored", before, clients.restore(before))

    async def _check_unique(self, after: Organisation) -> None:
        """Raises Refused before anything is written; of two at the same moment the indexes refuse one."""
        taken = await self.directory.taken(after)
        if taken is not None:
            raise Refused("invalid", [Wrong(taken, "taken")])

    async def _client(
        self, who: Who, action: str, before: Client, changed: clients.Changed, detail: str | None = None
    ) -> Client:
        return await self.recorded(
            who, action, before.id, lambda: self.directory.clients.save(before, *changed), detail
        )

    async def _follow(self, client_id: str, change: Callable[[Client], clients.Changed | None]) -> None:
        """Changes a client whatever else happens to it at the same moment."""
        for _ in range(TRIES):
            before = await self.directory.client(client_id)
            changed = None if before is None else change(before)
            if before is None or changed is None:
                return
            try:
                await self.directory.clients.save(before, *changed)
            except LostRace:
                continue
            return
        raise TimeoutError("the client kept changing")

    async def recorded(
        self, who: Who, action: str, about: str, change: Callable[[], Awaitable[T]], detail: str | None = None
    ) -> T:
        """A change with its row before it. What happened to it when the process dies in between is in the outbox."""
        await self._write(who, action, about, detail)
        try:
            return await change()
        except (LostRace, Refused):
            await self._write(who, NOT_MADE, about, action)
            raise

    async def _write(self, who: Who, action: str, about: str, detail: str | None = None) -> None:
        await self.audit.write(who, [Look(None, action, about=as_id(about), detail=detail)])


def _as_seen(before: M, seen: int | None) -> M:
    """Raises LostRace when the caller has seen another version than there is now."""
    if seen is not None and before.version != seen:
        raise LostRace(before)
    return before


def _fit(key: str) -> dict[str, Any]:
    """Raises Refused."""
    try:
        return public_key(key)
    except Unfit as unfit:
        raise Refused("invalid", [Wrong("public_key", unfit.code)]) from None


async def _unique(written: Awaitable[Organisation]) -> Organisation:
    """Raises Refused for a code or business id that another organisation has."""
    try:
        return await written
    except DuplicateKeyError as error:
        taken = next(iter((error.details or {}).get("keyPattern", {})), "code")
        raise Refused("invalid", [Wrong(taken, "taken")]) from None
