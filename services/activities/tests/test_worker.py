"""The worker on real Kafka: a pathway opens, a session is held, and what is said goes out once and in order."""

from polku_activities.app import create_worker
from polku_activities.model import session as domain
from polku_activities.repository import Sessions
from polku_activities.settings import ActivitiesSettings
from polku_runtime.effects import Effects
from polku_runtime.testing import event
from polku_runtime.testing.workers import heard, tell, until, working

from .material import ACT, PRESENT, TODAY, opened, wish


async def test_an_open_pathway_can_be_chosen_and_a_session_is_heard_of(
    kafka_environment: dict[str, object], sessions: Sessions, effects: Effects
) -> None:
    settings = ActivitiesSettings.model_validate(kafka_environment)
    async with working(create_worker(settings, effects=effects)) as worker:
        await tell(settings, "pathway.events", *[event(opened())] * 2)
        await until(lambda: sessions.open_pathways("kainuu"))
        people = tuple(await sessions.open_pathways("kainuu"))
        planned = await sessions.add(
            *domain.plan("session-1", "kainuu", wish().model_copy(update={"participants": people}), ACT)
        )
        held = domain.hold(
            planned, held_on=TODAY, minutes=120, marks={"pathway-1": PRESENT}, walk_ins=(), today=TODAY, act=ACT
        )
        await sessions.save(planned, *held, {})
        events = await heard(settings, "activities.events", 3)
        assert await worker.ready() is None
    # One partition is in order; between partitions, the session's events and the person's may meet either way.
    assert sorted((told.version, told.type, told.partition_key) for told in events) == [
        (1, "polku.session.planned.v1", "session-1"),
        (2, "polku.session.held.v1", "session-1"),
        (3, "polku.attendance.recorded.v1", "person-1"),
    ]
    assert {told.subject for told in events} == {"session-1"}
