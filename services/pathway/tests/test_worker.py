"""The worker on real Kafka: an acceptance comes in, the pathway's events go out, once and in order."""

from polku_pathway.app import create_worker
from polku_pathway.model import pathway as domain
from polku_pathway.model.pathway import pathway_id
from polku_pathway.repository import Pathways
from polku_pathway.settings import PathwaySettings
from polku_runtime.effects import Effects
from polku_runtime.testing import event
from polku_runtime.testing.workers import heard, tell, until, working

from .material import ACT, RULES, accepted, entry


async def test_an_acceptance_becomes_a_pathway_whose_events_others_hear(
    kafka_environment: dict[str, object], pathways: Pathways, effects: Effects
) -> None:
    settings = PathwaySettings.model_validate(kafka_environment)
    async with working(create_worker(settings, effects=effects)) as worker:
        await tell(settings, "referral.events", *[event(accepted())] * 3)
        await until(lambda: pathways.knows_referral("referral-1"))
        present = await pathways.open_of("person-1", "kainuu")
        assert present is not None
        await pathways.save(present, *domain.start(present, entry(), RULES, ACT))
        events = await heard(settings, "pathway.events", 3)
        assert await worker.ready() is None
    assert [told.type for told in events] == [
        "polku.pathway.opened.v1",
        "polku.participation.started.v1",
        "polku.pathway.stage-changed.v1",
    ]
    assert [told.version for told in events] == [1, 2, 3]
    assert {(told.partition_key, told.subject) for told in events} == {("person-1", pathway_id("referral-1"))}
    assert events[0].causation_id == "event-1"
