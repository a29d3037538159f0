"""An item of a sender's feed as it is told: the same in a page of the feed and in the body of a webhook."""

from datetime import date, datetime

from pydantic import BaseModel, Field

from polku_runtime.mongo import Document

REFERRALS_AT = "/referral/api/v1/referrals"


class ItemData(BaseModel):
    """What it is about, and the codes that belong to its type; fields that it does not have are left out.

    Texts that people wrote (a question, the text of a refusal) are read from `href`.
    """

    referral_id: str | None = None
    external_id: str | None = Field(None, description="The sender's own id of the referral")
    state: str | None = Field(None, description="Of the referral after this event")
    version: int | None = Field(None, description="Of the referral after this event: counts from 1 without gaps")
    href: str | None = Field(None, description="Where the referral is read")
    answer_due: date | None = Field(None, description="The day by which the project answers")
    sender_due: date | None = Field(None, description="The day by which the sender is asked to answer the question")
    review_on: date | None = Field(None, description="On the waiting list: the day on which it is looked at again")
    accepted_on: date | None = None
    starts_on: date | None = Field(None, description="The day that was agreed for beginning")
    reason: str | None = Field(None, description="Coded, of a refusal or a withdrawal")
    partner: str | None = Field(None, description="Code of the organisation that it was given on to")
    level: str | None = Field(None, description="due-soon, overdue")
    waits_for: str | None = Field(None, description="Of a reminder: who is to answer by `answer_due`: project, sender")
    waited_for: str | None = Field(None, description="Who did not answer: project, sender")
    outcome: str | None = Field(None, description="Coded; only when the agreement lets it go back")
    concluded_on: date | None = None
    route: str | None = None
    service: str | None = None
    webhook_id: str | None = Field(None, description="Of a notice about a webhook")
    cause: str | None = Field(None, description="Why a webhook is not called any more: gone, failed, by-hand")


class ItemOut(BaseModel):
    """One item. id: stays the same however often it is told, so it is what a receiver tells repeats by."""

    id: str
    type: str = Field(examples=["referral.accepted"])
    timestamp: datetime = Field(description="When it happened")
    data: ItemData


class FeedPage(BaseModel):
    """next: the cursor to go on from, also when there was nothing new. more: there is more to read at once."""

    items: list[ItemOut]
    next: str
    more: bool


class WebhookBody(BaseModel):
    """What is posted to a webhook; its `webhook-id` is the item's id."""

    type: str
    timestamp: datetime
    data: ItemData


def item(row: Document, origin: str) -> ItemOut:
    """A row of the feed as it is told."""
    referral_id = row["referral_id"]
    about = ItemData(
        referral_id=referral_id,
        external_id=row["external_id"],
        state=row["state"],
        version=row["version"],
        href=f"{origin}{REFERRALS_AT}/{referral_id}" if referral_id else None,
        **row["data"],
    )
    return ItemOut(id=row["_id"], type=row["type"], timestamp=row["at"], data=about)


def body(row: Document, origin: str) -> str:
    """A row of the feed as it is posted; the same text at every try."""
    told = item(row, origin)
    return WebhookBody(type=told.type, timestamp=told.timestamp, data=told.data).model_dump_json(exclude_none=True)
