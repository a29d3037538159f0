"""Every event type there is, and who says it."""

from collections.abc import Mapping
from functools import cache

from polku_events import activities, pathway, referral
from polku_events.base import EventData

PRODUCERS: Mapping[str, tuple[type[EventData], ...]] = {
    "referral": (
        referral.ReferralReceived,
        referral.ReferralAccepted,
        referral.ReferralDeclined,
        referral.ReferralCodesMapped,
        referral.ReferralContactCorrected,
        referral.ReferralQuestionAsked,
        referral.ReferralAnswered,
        referral.ReferralWaitlisted,
        referral.ReferralForwarded,
        referral.ReferralWithdrawalRequested,
        referral.ReferralWithdrawn,
        referral.ReferralReminded,
        referral.ReferralExpired,
        referral.ReferralConcluded,
        referral.PersonAgeStated,
        referral.StaffChanged,
        referral.OrganisationChanged,
        referral.ClientChanged,
    ),
    "pathway": (
        pathway.PathwayOpened,
        pathway.ReferralAttached,
        pathway.ReferralDetached,
        pathway.PathwayStageChanged,
        pathway.ParticipationStarted,
        pathway.ParticipationCorrected,
        pathway.ParticipationEnded,
        pathway.ParticipationReopened,
        pathway.PathwayClosed,
    ),
    "activities": (
        activities.SessionPlanned,
        activities.SessionHeld,
        activities.SessionCancelled,
        activities.AttendanceRecorded,
        activities.AttendanceCorrected,
    ),
}
EVENT_TYPES: Mapping[str, type[EventData]] = {kind.TYPE: kind for kinds in PRODUCERS.values() for kind in kinds}
_SERVICES = {kind.TYPE: service for service, kinds in PRODUCERS.items() for kind in kinds}


def service_of(event_type: str) -> str:
    """`polku.referral.accepted.v1` → `referral`. Raises KeyError for a type that nobody says."""
    return _SERVICES[event_type]


def topic_of(event_type: str) -> str:
    """The topic's name without the installation's prefix: `referral.events`."""
    return f"{_SERVICES[event_type]}.events"


def schema_of(kind: type[EventData]) -> str:
    """`urn:polku:schema:referral.accepted:1.0`"""
    return f"{schema_family(kind.TYPE)}{kind.MINOR}"


@cache
def schema_family(event_type: str) -> str:
    """`urn:polku:schema:referral.accepted:1.`: what the schemas of all minors of one known type begin with."""
    _, noun, verb, major = event_type.split(".")
    return f"urn:polku:schema:{noun}.{verb}:{major[1:]}."
