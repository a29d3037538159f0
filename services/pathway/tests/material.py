"""What the tests of this service are made of: one programme, one person, a few shorthands."""

from datetime import UTC, date, datetime
from typing import Any

from polku_events import EventData
from polku_events.pathway import Entry, Exit
from polku_events.referral import ReferralAccepted
from polku_pathway.catalogue import read_catalogue
from polku_pathway.model.pathway import Pathway, open_pathway, start
from polku_pathway.model.rules import Rules
from polku_pathway.model.timeline import Act

CATALOGUE = read_catalogue()
KAINUU = CATALOGUE.of("kainuu", 1)
TODAY = date(2026, 3, 2)
RULES = Rules(KAINUU, CATALOGUE.codes.allows, TODAY)
COORDINATOR = "0197aaaa-0000-7000-8000-000000000001"
ACT = Act(COORDINATOR, datetime(2026, 3, 2, 8, 0, tzinfo=UTC))
BY_ITSELF = Act(None, datetime(2026, 3, 2, 7, 0, tzinfo=UTC))


def accepted(referral: str = "referral-1", person: str = "person-1", **changes: Any) -> ReferralAccepted:
    """`coordinator_id`, `accepted_on` and the rest may be changed."""
    told = {
        "referral_id": referral,
        "person_id": person,
        "case_code": "K-7F3K2",
        "programme": "kainuu",
        "route": "employment-service",
        "service": "work-activity",
        "organisation_id": "organisation-1",
        "referred_on": date(2026, 1, 2),
        "accepted_on": date(2026, 1, 5),
        "coordinator_id": COORDINATOR,
    }
    return ReferralAccepted(**{**told, **changes})


def entry(**changes: Any) -> Entry:
    told = {
        "started_on": date(2026, 1, 12),
        "employment_status": "unemployed",
        "since": date(2024, 3, 1),
        "education": 3,
        "gender": "woman",
        "municipality": "205",
    }
    return Entry(**{**told, **changes})


def leaving(**changes: Any) -> Exit:
    told = {
        "ended_on": date(2026, 2, 20),
        "employment_status": "employed",
        "status_on": date(2026, 2, 23),
        "in_education": False,
        "qualification": False,
        "reason": "work",
    }
    return Exit(**{**told, **changes})


def opened(**changes: Any) -> Pathway:
    return open_pathway(accepted(**changes), KAINUU, BY_ITSELF)[0]


def started(**changes: Any) -> Pathway:
    return start(opened(), entry(**changes), RULES, ACT)[0]


def kinds(events: list[EventData]) -> list[str]:
    """`["participation.started", …]`"""
    return [event.TYPE.removeprefix("polku.").rpartition(".")[0] for event in events]
