"""X-Road members of an organisation, changed by page, API and command line alike (docs/x-road.md).

Everything holds from a member's next request on. Rows in the audit trail as for the rest of `admin.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polku_events.refusals import Refused, Wrong
from polku_referral.admin.admin import Admin, Who
from polku_referral.model.xroad import member_of, message_of
from polku_referral.xroad.members import Member, Members
from polku_runtime.aggregates import LostRace
from polku_web.problems import Problem


@dataclass(frozen=True)
class MemberAdmin:
    admin: Admin

    @property
    def members(self) -> Members:
        return Members(self.admin.directory.database, self.admin.directory.effects)

    async def one(self, member_id: str, organisation_id: str) -> Member:
        """Raises Problem 404: unknown, or of another organisation than the address says."""
        found = await self.members.by_id(member_id)
        if found is None or found.organisation_id != organisation_id:
            raise Problem(404, "not-found")
        return found

    async def add(self, who: Who, organisation_id: str, said: Mapping[str, Any]) -> Member:
        """said: name, scopes and test of Member. Raises Refused, Problem 404."""
        name, owner = checked(said["name"]), await self.admin.organisation(organisation_id)
        known = await self.members.get(name)
        if known is not None:
            code = "member-known" if known.organisation_id == owner.id else "taken"
            raise Refused("invalid", [Wrong("name", code)])
        fresh = Member(name, self.admin.effects.new_id(), owner.id, tuple(said["scopes"]), said["test"])
        return await self.admin.recorded(
            who, "x-road-member-added", fresh.client_id, lambda: self.members.add(fresh), name
        )

    async def change(self, who: Who, member_id: str, seen: int | None, *, scopes: Sequence[str], test: bool) -> Member:
        """What it may do; it keeps its id, and is let in again. Raises LostRace, Problem 404."""
        said = {"scopes": tuple(scopes), "test": test, "active": True}
        return await self._changed(who, "x-road-member-changed", await self._seen(member_id, seen), said)

    async def revoke(self, who: Who, member_id: str, seen: int | None) -> Member:
        """Raises Refused, LostRace, Problem 404."""
        before = await self._seen(member_id, seen)
        if not before.active:
            raise Refused("member-revoked-already")
        return await self._changed(who, "x-road-member-revoked", before, {"active": False})

    async def restore(self, who: Who, member_id: str, seen: int | None) -> Member:
        """Raises Refused, LostRace, Problem 404."""
        before = await self._seen(member_id, seen)
        if before.active:
            raise Refused("member-not-revoked")
        return await self._changed(who, "x-road-member-restored", before, {"active": True})

    async def _seen(self, member_id: str, seen: int | None) -> Member:
        found = await self.members.by_id(member_id)
        if found is None:
            raise Problem(404, "not-found")
        if seen is not None and found.version != seen:
            raise LostRace(None)
        return found

    async def _changed(self, who: Who, action: str, before: Member, said: Mapping[str, Any]) -> Member:
        return await self.admin.recorded(
            who, action, before.client_id, lambda: self.members.change(before, **said), before.name
        )


def checked(name: str) -> str:
    """The name of a member as it is kept. Raises Refused."""
    found = member_of(name.strip())
    if found is None:
        raise Refused("invalid", [Wrong("name", "member-form")])
    if message_of({"x-road-id": found}).id != found:
        raise Refused("invalid", [Wrong("name", "looks-like-identity-code")])
    return found
