"""What the pathway service says."""

from datetime import date
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from polku_events.base import Code, EventData, Id

EmploymentStatus = Annotated[Code, Field(description="unemployed, inactive, student, employed.")]
Isced = Annotated[int, Field(ge=0, le=8, description="Highest completed level of education, ISCED 0-8.")]
Gender = Annotated[Code, Field(description="woman, man, non-binary, not-stated.")]
Municipality = Annotated[
    str, Field(pattern=r"^[0-9]{3}$", description="Finnish municipality code, leading zeros kept.")
]


class PathwayOpened(EventData):
    """An accepted referral has become a pathway."""

    TYPE: ClassVar[str] = "polku.pathway.opened.v1"
    SUBJECT: ClassVar[str] = "pathway_id"

    pathway_id: Id
    person_id: Id
    case_code: Annotated[str, Field(max_length=12)]
    programme: Code
    referral_id: Id
    service: Code
    route: Code
    organisation_id: Id
    coordinator_id: Id
    stage: Code
    opened_on: date


class ReferralAttached(EventData):
    """A further accepted referral of a person with an open pathway joined it; the pathway goes on as it is."""

    TYPE: ClassVar[str] = "polku.pathway.referral-attached.v1"
    SUBJECT: ClassVar[str] = "pathway_id"

    pathway_id: Id
    person_id: Id
    programme: Code
    referral_id: Id
    attached_on: date


class ReferralDetached(EventData):
    """A sender has taken its referral back. The pathway closes next when nothing else held it, else it goes on."""

    TYPE: ClassVar[str] = "polku.pathway.referral-detached.v1"
    SUBJECT: ClassVar[str] = "pathway_id"

    pathway_id: Id
    person_id: Id
    programme: Code
    referral_id: Id
    detached_on: date


class PathwayStageChanged(EventData):
    """The person moved from one stage of the pathway to another."""

    TYPE: ClassVar[str] = "polku.pathway.stage-changed.v1"
    SUBJECT: ClassVar[str] = "pathway_id"

    pathway_id: Id
    person_id: Id
    programme: Code
    from_stage: Code
    to_stage: Code
    on: date


class Entry(BaseModel):
    """Entry data as of the start day. What was not stated is None (or not-stated)."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    started_on: date
    employment_status: EmploymentStatus | None = None
    since: Annotated[date | None, Field(description="Since when the employment status has held.")] = None
    education: Isced | None = None
    gender: Gender = "not-stated"
    municipality: Municipality | None = None


class Exit(BaseModel):
    """Exit data. status_on is the day on which the status after leaving was true."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    ended_on: date
    employment_status: EmploymentStatus | None = None
    status_on: date
    in_education: bool
    qualification: bool
    reason: Annotated[Code, Field(description="Closing reason of the pathway.")]


class ParticipationStarted(Entry, EventData):
    """Participation in the funder's sense begins; the entry data are its snapshot."""

    TYPE: ClassVar[str] = "polku.participation.started.v1"
    SUBJECT: ClassVar[str] = "pathway_id"

    pathway_id: Id
    person_id: Id
    programme: Code


class ParticipationCorrected(EventData):
    """Entry or exit data were amended; both stand here whole as they are now."""

    TYPE: ClassVar[str] = "polku.participation.corrected.v1"
    SUBJECT: ClassVar[str] = "pathway_id"

    pathway_id: Id
    person_id: Id
    programme: Code
    entry: Entry
    exit: Exit | None = None
    reason: Code


class ParticipationEnded(Exit, EventData):
    """The last day of participation and what followed it."""

    TYPE: ClassVar[str] = "polku.participation.ended.v1"
    SUBJECT: ClassVar[str] = "pathway_id"

    pathway_id: Id
    person_id: Id
    programme: Code


class ParticipationReopened(EventData):
    """The end was a mistake or did not last; exit data are void until participation ends again."""

    TYPE: ClassVar[str] = "polku.participation.reopened.v1"
    SUBJECT: ClassVar[str] = "pathway_id"

    pathway_id: Id
    person_id: Id
    programme: Code
    reopened_on: date


class PathwayClosed(EventData):
    """The pathway has come to an end stage; the sender of the referral hears the outcome."""

    TYPE: ClassVar[str] = "polku.pathway.closed.v1"
    SUBJECT: ClassVar[str] = "pathway_id"

    pathway_id: Id
    person_id: Id
    programme: Code
    referral_id: Id
    closed_on: date
    outcome: Code
