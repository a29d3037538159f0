"""For an authority's system: referrals to Polku, safely repeated, and what became of them."""

from polku_client.batches import Job, NotDone, RowResult
from polku_client.client import Client, encode
from polku_client.feed import Event
from polku_client.problems import FieldError, Misconfigured, NotAnswered, PolkuError, PolkuProblem
from polku_client.receipts import InvalidReceipt, Receipt, verify_receipt
from polku_client.results import Checked, Message, Referral, Step
from polku_client.signatures import WebhookRefused, verify_webhook
from polku_client.webhooks import Attempt, Webhook

__all__ = [
    "Attempt",
    "Checked",
    "Client",
    "Event",
    "FieldError",
    "InvalidReceipt",
    "Job",
    "Message",
    "Misconfigured",
    "NotAnswered",
    "NotDone",
    "PolkuError",
    "PolkuProblem",
    "Receipt",
    "Referral",
    "RowResult",
    "Step",
    "Webhook",
    "WebhookRefused",
    "encode",
    "verify_receipt",
    "verify_webhook",
]
