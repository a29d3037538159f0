"""Where wishes meet sessions: found under the caller's rights, decided, saved. API and pages share it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from polku_activities.commands import CancelIn, CorrectIn, HoldIn, PlanIn
from polku_activities.model import session as domain
from polku_activities.model.refusals import Wrong, refuse_if
from polku_activities.model.session import Act, Mark, Outcome, Participant, Plan, Session
from polku_activities.repository import Sessions, scope_of
from polku_runtime.access import Principal, find_staff
from polku_runtime.aggregates import LostRace
from polku_runtime.effects import Effects
from polku_web.codes import Codes
from polku_web.formats import local_day
from polku_web.problems import Problem

COMMANDS = {"planned": ("change", "hold", "cancel"), "held": ("correct",), "cancelled": ()}


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
        wanted = await self._plan(who, wish.programme, wish)
        return await self.sessions.add(*domain.plan(self.effects.new_id(), wish.programme, wanted, self._act(who)))

    async def change(self, who: Principal, session_id: str, seen: int, wish: PlanIn) -> Session:
        """Raises LostRace, Refused, Problem 404; so do the commands below."""
        before = await self._present(who, session_id, seen)
        wanted = await self._plan(who, before.programme, wish, before)
        return await self._save(who, before, lambda: domain.change_plan(before, wanted))

    async def hold(self, who: Principal, session_id: str, seen: int, wish: HoldIn) -> Session:
        before = await self._present(who, session_id, seen)
        walk_ins = await self._people(before.programme, wish.walk_ins, "walk_ins")
        marks = {person: mark.mark(wish.minutes) for person, mark in wish.marks.items()}
        self._check_reasons({f"marks/{person}": mark for person, mark in marks.items()})
        return await self._save(
            who,
            before,
            lambda: domain.hold(
                before,
                held_on=wish.held_on,
                minutes=wish.minutes,
                marks=marks,
                walk_ins=tuple(walk_ins),
                today=self.today,
                act=self._act(who),
            ),
        )

    async def correct(self, who: Principal, session_id: str, seen: int, wish: CorrectIn) -> Session:
        before = await self._present(who, session_id, seen)
        mark = wish.mark.mark(before.held_minutes or 0)
        self._check("correction_reason", "reason", wish.reason)
        self._check_reasons({"mark": mark})
        return await self._save(
            who,
            before,
            lambda: domain.correct(before, person_id=wish.person_id, mark=mark, reason=wish.reason, act=self._act(who)),
        )

    async def cancel(self, who: Principal, session_id: str, seen: int, wish: CancelIn) -> Session:
        before = await self._present(who, session_id, seen)
        self._check("cancel_reason", "reason", wish.reason)
        return await self._save(who, before, lambda: domain.cancel(before, reason=wish.reason, act=self._act(who)))

    async def _plan(self, who: Principal, programme: str, wish: PlanIn, before: Session | None = None) -> Plan:
        self._check("activity", "activity", wish.activity)
        coach = wish.coach_id or (before.plan.coach_id if before else who.id)
        await self._check_coach(who, programme, coach)
        # Somebody whose pathway has closed meanwhile stays in a session that was planned before.
        kept = {one.pathway_id: one for one in before.plan.participants} if before else {}
        fresh = [pathway_id for pathway_id in wish.pathway_ids if pathway_id not in kept]
        found = kept | {one.pathway_id: one for one in await self._people(programme, fresh, "pathway_ids")}
        return Plan(
            activity=wish.activity,
            starts_at=wish.starts_at,
            minutes=wish.minutes,
            group=wish.group,
            coach_id=coach,
            place=wish.place.strip(),
            participants=tuple(found[pathway_id] for pathway_id in wish.pathway_ids),
        )

    async def _check_coach(self, who: Principal, programme: str, coach: str) -> None:
        if coach == who.id:
            return
        member = await find_staff(self.sessions.database, coach)
        fits = member is not None and member.active and programme in member.programmes
        if not fits or member is None or member.roles.isdisjoint({"coach", "coordinator", "manager"}):
            refuse_if([Wrong("coach_id", "not-a-coach")])
        if not who.has_role("coordinator", "manager"):
            refuse_if([Wrong("coach_id", "not-a-coach")])

    async def _people(self, programme: str, pathway_ids: Sequence[str], field: str) -> list[Participant]:
        found = await self.sessions.participants(programme, pathway_ids)
        known = {one.pathway_id for one in found}
        refuse_if([Wrong(f"{field}/{n}", "not-open") for n, asked in enumerate(pathway_ids) if asked not in known])
        return found

    def _check(self, name: str, field: str, code: str) -> None:
        if not self.codes.allows(name, code, self.today):
            refuse_if([Wrong(field, "unknown-code")])

    def _check_reasons(self, marks: dict[str, Mark]) -> None:
        refuse_if(
            [
                Wrong(field, "unknown-code")
                for field, mark in marks.items()
                if mark.reason is not None and not self.codes.allows("absence_reason", mark.reason, self.today)
            ]
        )

    async def _present(self, who: Principal, session_id: str, seen: int) -> Session:
        found = await self.find(who, session_id)
        if found.version != seen:
            raise LostRace(found)
        return found

    async def _save(self, who: Principal, before: Session, decide: Callable[[], Outcome]) -> Session:
        after, events = decide()
        return await self.sessions.save(before, after, events, scope_of(who))

    def _act(self, who: Principal) -> Act:
        return Act(by=who.id, at=self.effects.now())
