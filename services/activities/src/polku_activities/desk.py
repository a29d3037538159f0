"""Where wishes meet sessions: found under the caller's rights, decided, saved. API and pages share it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date

from polku_activities.commands import AddIn, CancelIn, ChangeIn, CorrectIn, HoldIn, PlanIn
from polku_activities.model import session as domain
from polku_activities.model.session import Act, Mark, Outcome, Participant, Plan, Session
from polku_activities.repository import LEADERS, Sessions, scope_of
from polku_events.refusals import Wrong, refuse_if
from polku_runtime.access import Principal, find_staff
from polku_runtime.aggregates import LostRace
from polku_runtime.effects import Effects
from polku_web.codes import Codes
from polku_web.formats import local_day
from polku_web.problems import Problem

COMMANDS = {"planned": ("change", "add", "hold", "cancel"), "held": ("correct",), "cancelled": ()}
"""What may be asked of a session in each state."""


@dataclass(frozen=True)
class Desk:
    """What one API process works with; `app.state.desk`."""

    sessions: Sessions
    codes: Codes
    effects: Effects

    @property
    def today(self) -> date:
        """The present day in Helsinki."""
        return local_day(self.effects.now())

    async def find(self, who: Principal, session_id: str) -> Session:
        """Raises Problem 404: unknown, or not for this caller."""
        found = await self.sessions.get(session_id, scope_of(who))
        if found is None:
            raise Problem(404, "not-found")
        return found

    async def plan(self, who: Principal, wish: PlanIn) -> Session:
        """A new session. Raises Refused; Problem 404 for a programme that is not the caller's."""
        if wish.programme not in who.programmes:
            raise Problem(404, "not-found")
        wanted = await self._wanted(who, wish.programme, wish)
        return await self.sessions.add(*domain.plan(self.effects.new_id(), wish.programme, wanted, self._act(who)))

    async def change(self, who: Principal, session_id: str, seen: int, wish: ChangeIn) -> Session:
        """seen: the version that the caller saw. Raises LostRace, Refused, Problem 404; so do the rest."""
        before = await self._seen(who, session_id, seen)
        wanted = await self._wanted(who, before.programme, wish, before.plan)
        return await self._save(who, before, domain.change_plan(before, wanted))

    async def add(self, who: Principal, session_id: str, seen: int, wish: AddIn) -> Session:
        before = await self._seen(who, session_id, seen)
        taking_part = {one.pathway_id: one for one in before.plan.participants}
        people = await self._people(before.programme, wish.pathway_ids, taking_part)
        refuse_if(self._not_open(wish.pathway_ids, people))
        newcomers = [people[pathway_id] for pathway_id in dict.fromkeys(wish.pathway_ids)]
        return await self._save(who, before, domain.add(before, newcomers))

    async def hold(self, who: Principal, session_id: str, seen: int, wish: HoldIn) -> Session:
        before = await self._seen(who, session_id, seen)
        planned = {one.pathway_id for one in before.plan.participants}
        further = [pathway_id for pathway_id in wish.marks if pathway_id not in planned]
        walk_ins = await self.sessions.participants(before.programme, further)
        marks = {pathway_id: mark.mark(wish.minutes) for pathway_id, mark in wish.marks.items()}
        wrong = [Wrong("marks", "not-open")] if len(walk_ins) < len(further) else []
        for one in (*before.plan.participants, *walk_ins):
            wrong += self._unknown_reason(f"marks/{one.pathway_id}", marks.get(one.pathway_id))
        refuse_if(wrong)
        decided = domain.hold(
            before,
            held_on=wish.held_on,
            minutes=wish.minutes,
            marks=marks,
            walk_ins=walk_ins,
            today=self.today,
            act=self._act(who),
        )
        return await self._save(who, before, decided)

    async def correct(self, who: Principal, session_id: str, seen: int, wish: CorrectIn) -> Session:
        before = await self._seen(who, session_id, seen)
        mark = wish.mark.mark(before.held_minutes or 0)
        refuse_if([*self._unknown("correction_reason", "reason", wish.reason), *self._unknown_reason("mark", mark)])
        decided = domain.correct(before, pathway_id=wish.pathway_id, mark=mark, reason=wish.reason, act=self._act(who))
        return await self._save(who, before, decided)

    async def cancel(self, who: Principal, session_id: str, seen: int, wish: CancelIn) -> Session:
        before = await self._seen(who, session_id, seen)
        refuse_if(self._unknown("cancel_reason", "reason", wish.reason))
        return await self._save(who, before, domain.cancel(before, reason=wish.reason, act=self._act(who)))

    async def _wanted(self, who: Principal, programme: str, wish: ChangeIn, before: Plan | None = None) -> Plan:
        """The plan that is wished for. Whoever takes part already stays welcome after the pathway has closed."""
        taking_part = {one.pathway_id: one for one in before.participants} if before else {}
        people = await self._people(programme, wish.pathway_ids, taking_part)
        coach_id = wish.coach_id or (before.coach_id if before else who.id)
        refuse_if(
            [
                *self._unknown("activity", "activity", wish.activity),
                *([] if await self._may_lead(who, coach_id, programme) else [Wrong("coach_id", "not-a-coach")]),
                *self._not_open(wish.pathway_ids, people),
            ]
        )
        return Plan(
            activity=wish.activity,
            starts_at=wish.starts_at.astimezone(UTC).replace(second=0, microsecond=0),
            minutes=wish.minutes,
            group=wish.group,
            coach_id=coach_id,
            place=wish.place.strip(),
            participants=tuple(people[pathway_id] for pathway_id in wish.pathway_ids),
        )

    async def _people(
        self, programme: str, pathway_ids: Sequence[str], taking_part: Mapping[str, Participant]
    ) -> Mapping[str, Participant]:
        further = [pathway_id for pathway_id in pathway_ids if pathway_id not in taking_part]
        found = await self.sessions.participants(programme, further)
        return {**taking_part, **{one.pathway_id: one for one in found}}

    def _not_open(self, pathway_ids: Sequence[str], people: Mapping[str, Participant]) -> list[Wrong]:
        return [
            Wrong(f"pathway_ids/{place}", "not-open")
            for place, pathway_id in enumerate(pathway_ids)
            if pathway_id not in people
        ]

    async def _may_lead(self, who: Principal, coach_id: str, programme: str) -> bool:
        """Everybody leads sessions of their own; coordinators and managers give them to colleagues too."""
        if coach_id == who.id:
            return True
        if not who.has_role("coordinator", "manager"):
            return False
        found = await find_staff(self.sessions.database, coach_id)
        return (
            found is not None and found.active and programme in found.programmes and not found.roles.isdisjoint(LEADERS)
        )

    async def colleagues(self, who: Principal) -> list[str]:
        """Staff ids of those who may lead sessions that the caller gives away or looks for; a coach has only own."""
        if not who.has_role("coordinator", "manager"):
            return []
        return await self.sessions.leaders(who.programmes)

    def _unknown(self, name: str, field: str, code: str) -> list[Wrong]:
        return [] if self.codes.allows(name, code, self.today) else [Wrong(field, "unknown-code")]

    def _unknown_reason(self, field: str, mark: Mark | None) -> list[Wrong]:
        if mark is None or mark.reason is None:
            return []
        return self._unknown("absence_reason", f"{field}/reason", mark.reason)

    async def _seen(self, who: Principal, session_id: str, seen: int) -> Session:
        """The session, if it is still as the caller saw it. Raises LostRace, Problem 404."""
        found = await self.find(who, session_id)
        if found.version != seen:
            raise LostRace(found)
        return found

    async def _save(self, who: Principal, before: Session, decided: Outcome) -> Session:
        after, events = decided
        return await self.sessions.save(before, after, events, scope_of(who))

    def _act(self, who: Principal) -> Act:
        return Act(by=who.id, at=self.effects.now())
