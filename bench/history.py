"""A long history for the topics: people who come, take part, attend and leave."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from polku_events import Event, EventData, Record, encode, service_of
from polku_events import activities as said_by_activities
from polku_events import pathway as said_by_pathway
from polku_events import referral as said_by_referral

START = date(2025, 8, 1)
ATTENDANCES = 20
PER_PERSON = 6 + ATTENDANCES


def records(people: int) -> Iterator[tuple[str, Record]]:
    """Topic and record, `PER_PERSON` for each of so many people, person after person."""
    for number in range(people):
        versions: dict[str, int] = {}
        for subject, data in _life(f"person-{number:07}", number):
            versions[subject] = versions.get(subject, 0) + 1
            event = Event(
                id=f"{number:07}-{subject[:3]}-{versions[subject]:04}-{data.TYPE[6:16]}",
                type=data.TYPE,
                source=f"/polku/{service_of(data.TYPE)}",
                subject=subject,
                time=datetime(2026, 1, 1, tzinfo=UTC),
                minor=0,
                version=versions[subject],
                correlation_id=f"c-{number}",
                causation_id=None,
                partition_key=data.partition_key,
                traceparent=None,
                data=data,
            )
            yield f"{service_of(data.TYPE)}.events", encode(event)


def _life(person: str, number: int) -> Iterator[tuple[str, EventData]]:
    referral, pathway, began = f"ref-{number}", f"pwy-{number}", START + timedelta(days=number % 200)
    about = {"person_id": person, "programme": "kainuu"}
    case = {"case_code": f"K-{number % 100000:05}", "route": "employment-service", "service": "work-activity"}
    yield (
        referral,
        said_by_referral.ReferralReceived(
            referral_id=referral, organisation_id="org", referred_on=began, answer_due=began, urgency="normal", **about, **case
        ),
    )  # fmt: skip
    yield (
        referral,
        said_by_referral.ReferralAccepted(
            referral_id=referral, organisation_id="org", referred_on=began, accepted_on=began, coordinator_id="c", **about, **case
        ),
    )  # fmt: skip
    yield (
        pathway,
        said_by_pathway.PathwayOpened(
            pathway_id=pathway, referral_id=referral, organisation_id="org", coordinator_id="c", stage="waiting",
            opened_on=began, **about, **case,
        ),
    )  # fmt: skip
    yield (
        pathway,
        said_by_pathway.ParticipationStarted(
            pathway_id=pathway, started_on=began, employment_status=("unemployed", "inactive")[number % 2], since=date(2024, 1, 1),
            education=number % 9, gender=("woman", "man")[number % 2], municipality="205", **about,
        ),
    )  # fmt: skip
    yield person, said_by_referral.PersonAgeStated(person_id=person, pathway_id=pathway, on=began, age=18 + number % 50)
    for turn in range(ATTENDANCES):
        session = f"ses-{number}-{turn}"
        yield (
            session,
            said_by_activities.AttendanceRecorded(
                session_id=session, pathway_id=pathway, held_on=began + timedelta(days=turn), attendance="present",
                minutes=90, **about,
            ),
        )  # fmt: skip
    ended = began + timedelta(days=60)
    yield (
        pathway,
        said_by_pathway.ParticipationEnded(
            pathway_id=pathway, ended_on=ended, employment_status="employed", status_on=ended, in_education=False,
            qualification=False, reason="work", **about,
        ),
    )  # fmt: skip
