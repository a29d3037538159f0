"""What activities listens to: pathways that open, close and open again, staff and clients."""

from polku_activities.repository import Sessions
from polku_events import Event
from polku_events.pathway import ParticipationReopened, PathwayClosed, PathwayOpened, PathwayStageChanged
from polku_events.referral import ClientChanged, StaffChanged
from polku_runtime.access import remember_client, remember_staff
from polku_runtime.dispatch import each
from polku_runtime.outcomes import Apply, Handler, Outcome

TOPICS = ("referral", "pathway")


def consume(sessions: Sessions) -> Apply:
    """The applier of the worker's batches."""
    return each(
        {
            PathwayOpened: opened(sessions),
            PathwayClosed: turned(sessions, is_open=False),
            ParticipationReopened: turned(sessions, is_open=True),
            # A pathway that closed before its start is reopened by a change of stage alone.
            PathwayStageChanged: turned(sessions, is_open=True),
            StaffChanged: remember_staff(sessions.database),
            ClientChanged: remember_client(sessions.database),
        }
    )


def opened(sessions: Sessions) -> Handler:
    """Somebody can be chosen for sessions from now on."""

    async def learn(event: Event) -> Outcome:
        data = event.data
        assert isinstance(data, PathwayOpened)
        about = data.model_dump(include={"person_id", "case_code", "programme"})
        return _said(await sessions.learn(data.pathway_id, event.version, is_open=True, about=about))

    return learn


def turned(sessions: Sessions, *, is_open: bool) -> Handler:
    """The pathway closed, or is open (again)."""

    async def learn(event: Event) -> Outcome:
        data = event.data
        assert isinstance(data, PathwayClosed | ParticipationReopened | PathwayStageChanged)
        return _said(await sessions.learn(data.pathway_id, event.version, is_open=is_open))

    return learn


def _said(changed: bool) -> Outcome:
    return Outcome.APPLIED if changed else Outcome.DUPLICATE
