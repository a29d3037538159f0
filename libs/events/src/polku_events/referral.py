"""What the referral service says."""

from datetime import date
from typing import Annotated, ClassVar

from pydantic import Field

from polku_events.base import Code, EventData, Id, Instant

Age = Annotated[int, Field(ge=0, le=150, description="Full years.")]

Scope = Annotated[str, Field(max_length=40, pattern=r"^[a-z]+:[a-z]+$", description="As referrals:write.")]


class ReferralReceived(EventData):
    """A referral is durable with us and waits for an answer."""

    TYPE: ClassVar[str] = "polku.referral.received.v1"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    person_id: Id
    case_code: Annotated[str, Field(max_length=12, description="Short code that people read, as K-7F3K2.")]
    programme: Code
    route: Annotated[
        Code,
        Field(
            description="employment-service, adult-social-work, multisectoral-service, rehabilitative-work, "
            "rehabilitation-unit, self."
        ),
    ]
    service: Annotated[
        Code,
        Field(
            description="work-activity, group-activity, individual-coaching, nepsy-coaching, training, work-practice."
        ),
    ]
    organisation_id: Id
    referred_on: date
    answer_due: date
    urgency: Annotated[Code, Field(description="normal, urgent.")]


class ReferralAccepted(EventData):
    """The project takes the person in; the pathway opens."""

    TYPE: ClassVar[str] = "polku.referral.accepted.v1"
    MINOR: ClassVar[int] = 1
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    person_id: Id
    case_code: Annotated[str, Field(max_length=12)]
    programme: Code
    route: Code
    service: Code
    organisation_id: Id
    referred_on: date
    accepted_on: date
    coordinator_id: Annotated[Id, Field(description="The staff member whose case-load the person joins.")]
    starts_on: Annotated[date | None, Field(description="The day that was agreed for beginning.")] = None


class ReferralDeclined(EventData):
    """The project does not take the person in. The text goes to the sender alone, never into an event."""

    TYPE: ClassVar[str] = "polku.referral.declined.v1"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    person_id: Id
    programme: Code
    reason: Code
    declined_on: date


class ReferralConcluded(EventData):
    """The pathway that the referral led to has ended."""

    TYPE: ClassVar[str] = "polku.referral.concluded.v1"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    person_id: Id
    programme: Code
    outcome: Code
    concluded_on: date


class ReferralCodesMapped(EventData):
    """Codes of the sender that nobody knew at first are now known ones."""

    TYPE: ClassVar[str] = "polku.referral.codes-mapped.v1"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    person_id: Id
    programme: Code
    route: Code
    service: Code


class ReferralContactCorrected(EventData):
    """The sender has corrected how the person is reached; what it is now stays with the referral service."""

    TYPE: ClassVar[str] = "polku.referral.contact-corrected.v1"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    person_id: Id
    programme: Code


class ReferralQuestionAsked(EventData):
    """The project asks the sender something before it answers. The question is never in an event."""

    TYPE: ClassVar[str] = "polku.referral.question-asked.v1"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    person_id: Id
    programme: Code
    asked_on: date
    sender_due: Annotated[date, Field(description="The day by which the sender is asked to answer.")]


class ReferralAnswered(EventData):
    """The sender has answered the question; the referral waits for the project again."""

    TYPE: ClassVar[str] = "polku.referral.answered.v1"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    person_id: Id
    programme: Code
    answered_on: date
    answer_due: date


class ReferralWaitlisted(EventData):
    """There is no room now; the referral is looked at again on a day."""

    TYPE: ClassVar[str] = "polku.referral.waitlisted.v1"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    person_id: Id
    programme: Code
    review_on: date


class ReferralForwarded(EventData):
    """The project has given the referral on to a partner; here it ends."""

    TYPE: ClassVar[str] = "polku.referral.forwarded.v1"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    person_id: Id
    programme: Code
    partner: Annotated[Code, Field(description="The partner's organisation code.")]
    forwarded_on: date


class ReferralWithdrawalRequested(EventData):
    """The sender wants an accepted referral back; the project confirms it, or the work is done already."""

    TYPE: ClassVar[str] = "polku.referral.withdrawal-requested.v1"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    person_id: Id
    programme: Code
    reason: Code
    requested_on: date


class ReferralWithdrawn(EventData):
    """The sender has taken the referral back."""

    TYPE: ClassVar[str] = "polku.referral.withdrawn.v1"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    person_id: Id
    programme: Code
    reason: Code
    withdrawn_on: date


class ReferralReminded(EventData):
    """Nobody has answered in time, or nearly not."""

    TYPE: ClassVar[str] = "polku.referral.reminded.v1"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    person_id: Id
    programme: Code
    level: Annotated[Code, Field(description="due-soon (before the day), overdue (after it: the manager's matter).")]
    waits_for: Annotated[Code, Field(description="project, sender: who is to answer (the sender, to a question).")]
    answer_due: Annotated[date, Field(description="The day by which they are to answer.")]


class ReferralExpired(EventData):
    """The time to answer, and the time after it, are over; here it ends."""

    TYPE: ClassVar[str] = "polku.referral.expired.v1"
    SUBJECT: ClassVar[str] = "referral_id"

    referral_id: Id
    person_id: Id
    programme: Code
    waited_for: Annotated[Code, Field(description="project, sender: who did not answer.")]
    expired_on: date


class PersonAgeStated(EventData):
    """The person's age on the day participation started; the birth date stays with the referral service."""

    TYPE: ClassVar[str] = "polku.person.age-stated.v1"
    SUBJECT: ClassVar[str] = "person_id"

    person_id: Id
    pathway_id: Id
    on: date
    age: Age


class StaffChanged(EventData):
    """The whole of what services must know of a staff member: rights, not the name."""

    TYPE: ClassVar[str] = "polku.staff.changed.v1"
    SUBJECT: ClassVar[str] = "staff_id"

    staff_id: Id
    roles: Annotated[
        list[Code],
        Field(description="coordinator, coach, manager, referrer, employer, steering, operator."),
    ]
    organisation_id: Id | None = None
    programmes: list[Code] = Field(default_factory=list)
    active: bool
    sessions_valid_from: Annotated[Instant, Field(description="Sessions that began earlier are void.")]


class OrganisationChanged(EventData):
    """The whole of what services must know of an organisation."""

    TYPE: ClassVar[str] = "polku.organisation.changed.v1"
    SUBJECT: ClassVar[str] = "organisation_id"

    organisation_id: Id
    code: Code
    name: Annotated[str, Field(min_length=1, max_length=200, description="The organisation's public name.")]
    kind: Annotated[Code, Field(description="employment-area, wellbeing-county, project, funder, employer, other.")]
    active: bool


class ClientChanged(EventData):
    """The whole of what services must know of a machine client."""

    TYPE: ClassVar[str] = "polku.client.changed.v1"
    FOR_ALL: ClassVar[bool] = True
    SUBJECT: ClassVar[str] = "client_id"

    client_id: Id
    organisation_id: Id
    scopes: list[Scope]
    active: bool
    tokens_valid_from: Annotated[Instant, Field(description="Access tokens that were issued earlier are void.")]
