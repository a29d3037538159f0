"""What was agreed with each organisation, as one process knows it: asked at every referral, so kept for a moment."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from polku_events.refusals import Refused
from polku_referral.directory import Directory
from polku_referral.model import agreements as rules
from polku_referral.model.agreements import Agreement
from polku_runtime.effects import Effects
from polku_web.formats import local_day

LASTS = timedelta(seconds=5)
"""How long another process may go on by what was agreed before."""


class Agreements:
    """Organisations' agreements by organisation id."""

    def __init__(self, directory: Directory, effects: Effects) -> None:
        self.directory = directory
        self.effects = effects
        self._fresh: dict[str, tuple[datetime, Sequence[Agreement]]] = {}

    @property
    def today(self) -> date:
        """The present day in Helsinki."""
        return local_day(self.effects.now())

    async def of(self, organisation_id: str) -> Sequence[Agreement]:
        """Those of an organisation; one that was changed elsewhere meanwhile is seen within LASTS."""
        now = self.effects.now()
        until, known = self._fresh.get(organisation_id, (now, ()))
        if until <= now:
            found = await self.directory.organisations.get(organisation_id)
            known = found.agreements if found is not None else ()
            self._fresh[organisation_id] = (now + LASTS, known)
        return known

    def forget(self, organisation_id: str) -> None:
        """They were changed here."""
        self._fresh.pop(organisation_id, None)

    async def refusal(
        self, organisation_id: str, *, programme: str, route: str, service: str, unknown: Sequence[str] = ()
    ) -> Refused | None:
        """The no to a referral that no agreement in force covers. unknown: fields whose code is still to be mapped."""
        try:
            rules.check_agreed(
                await self.of(organisation_id),
                programme=programme,
                route=route,
                service=service,
                today=self.today,
                unknown=unknown,
            )
        except Refused as refused:
            return refused
        return None

    async def returns(self, organisation_id: str) -> frozenset[str]:
        """Keys of RETURNS that go back to this sender."""
        return rules.what_returns(await self.of(organisation_id), self.today)
