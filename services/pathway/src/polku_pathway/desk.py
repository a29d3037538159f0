"""Where people's wishes meet the aggregate: found under the reader's rights, decided, saved. API and pages share it."""

from dataclasses import dataclass
from datetime import date

from polku_events.refusals import Refused, Wrong, refuse_if
from polku_pathway.catalogue import Catalogue
from polku_pathway.commands import AnyCommand, handle
from polku_pathway.model.definition import Definition
from polku_pathway.model.pathway import Pathway
from polku_pathway.model.rules import Rules
from polku_pathway.model.timeline import Act
from polku_pathway.repository import Exceptional, Pathways, Scope
from polku_runtime.access import Principal
from polku_runtime.aggregates import LostRace
from polku_runtime.effects import Effects
from polku_web.formats import local_day
from polku_web.problems import Problem


@dataclass(frozen=True)
class Desk:
    """What one API process works with; `app.state.desk`."""

    pathways: Pathways
    catalogue: Catalogue
    effects: Effects

    @property
    def today(self) -> date:
        """The present day in Helsinki."""
        return local_day(self.effects.now())

    def definition(self, pathway: Pathway) -> Definition:
        return self.catalogue.of(pathway.programme, pathway.definition)

    def rules(self, pathway: Pathway) -> Rules:
        return Rules(self.definition(pathway), self.catalogue.codes.allows, self.today)

    async def find(self, who: Principal, pathway_id: str) -> tuple[Pathway, Scope]:
        """The pathway and the scope it was found under. Raises Problem 404: unknown or not the reader's."""
        scope = await self.pathways.scope_of(who)
        found = await self.pathways.get(pathway_id, scope)
        if found is None:
            raise Problem(404, "not-found")
        return found, scope

    async def carry_out(self, who: Principal, pathway_id: str, seen: int, command: AnyCommand) -> Pathway:
        """The pathway after the command.

        seen: the version that the command was given by. Raises LostRace with the present state when it is
        no longer the present one, Refused when a rule says no, Problem 404.
        """
        before, scope = await self.find(who, pathway_id)
        if before.version != seen:
            raise LostRace(before)
        act = Act(who.id, self.effects.now())
        after, events = handle(before, command, self.rules(before), act)
        return await self.pathways.save(before, after, events, scope)

    async def ask_exception(self, who: Principal, case_code: str, reason: str, note: str) -> Exceptional:
        """Opens another coordinator's case to `who` for three hours and keeps who, when and why.

        Raises Refused: unknown reason, no note though the reason is `other`, no such case.
        """
        wrong = []
        if not self.catalogue.codes.allows("exception_reason", reason, self.today):
            wrong.append(Wrong("reason", "unknown-code"))
        if reason == "other" and not note.strip():
            wrong.append(Wrong("note", "needed"))
        refuse_if(wrong)
        granted = await self.pathways.grant(who, case_code, reason, note.strip())
        if granted is None:
            raise Refused("invalid", [Wrong("case_code", "unknown-case")])
        return granted
