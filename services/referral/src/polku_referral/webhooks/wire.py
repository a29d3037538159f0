"""What a sender says and hears about its webhooks."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, Field

from polku_referral.fields import Strict
from polku_referral.model.telling import TYPES
from polku_referral.model.webhook import Webhook
from polku_referral.webhooks.addresses import MAX_URL
from polku_referral.webhooks.signatures import Scheme
from polku_runtime.mongo import Document

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""What lies beyond means nothing here, and at the ends of the calendar there are instants that no database takes."""
State = Literal["waiting", "delivered", "dropped"]


class WebhookIn(Strict):
    """A new webhook. events: those that it wants; all when left out."""

    url: Annotated[str, Field(max_length=MAX_URL, examples=["https://asiat.example.fi/polku"])]
    events: list[str] = Field([], max_length=len(TYPES), examples=[["referral.accepted", "referral.declined"]])
    scheme: Scheme = Field("v1", description="v1: a shared secret. v1a: an Ed25519 key, you get the public half")


class WebhookOut(BaseModel):
    """A webhook. Only `active` ones are called; `unverified` ones have not answered the challenge yet."""

    id: str
    url: str
    events: list[str]
    scheme: Scheme
    state: Literal["unverified", "active", "disabled"]
    made_at: datetime
    verified_at: datetime | None = None
    disabled_at: datetime | None = None
    cause: str | None = Field(None, description="gone: it answered 410. failed: one event was not taken for three days")
    sending_again: bool = Field(description="Past events are being made ready to be sent")


class NewWebhookOut(WebhookOut):
    """With what to verify with, said this once: `whsec_…`, a secret, or `whpk_…`, a public key."""

    verify_with: str


class RotatedOut(BaseModel):
    """verify_with: from now on, said this once. The one before signs beside it until `both_until`."""

    verify_with: str
    both_until: datetime


class WebhookList(BaseModel):
    items: list[WebhookOut]


class ReplayIn(Strict):
    """Either of the two: a cursor of the feed, or an instant."""

    after: Annotated[str, Field(max_length=200)] | None = None
    since: Annotated[AwareDatetime, Field(ge=EARLIEST, le=LATEST)] | None = None


class ReplayOut(BaseModel):
    """places: of the feed that are gone through; those that the webhook wants are sent again."""

    places: int


class DeliveryOut(BaseModel):
    """One item on its way. id: the item's, which is also its `webhook-id`. due: when it is tried next, at the
    earliest; an earlier event of the same referral goes first.
    """

    id: str
    type: str
    state: State
    tries: int
    made_at: datetime
    due: datetime | None = None
    done_at: datetime | None = None


class DeliveryList(BaseModel):
    items: list[DeliveryOut]
    next: str | None


class AttemptOut(BaseModel):
    """One try. error: address-refused, unknown-host, connect, tls, timeout, broken-off, internal; beside a status
    challenge-not-answered.
    """

    id: str
    delivery: str
    type: str
    number: int
    at: datetime
    status: int | None
    error: str | None
    ms: int


class AttemptList(BaseModel):
    items: list[AttemptOut]
    next: str | None


def webhook(shown: Webhook) -> WebhookOut:
    return WebhookOut(**shown.model_dump(exclude={"channel", "stopped", "fill"}), sending_again=shown.fill is not None)


def delivery(row: Document) -> DeliveryOut:
    due = row["due"] if row["state"] == "waiting" else None
    return DeliveryOut.model_validate({**row, "id": row["item_id"], "due": due})


def attempt(row: Document) -> AttemptOut:
    return AttemptOut.model_validate({**row, "id": row["_id"]})
