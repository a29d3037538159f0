"""What may be done with a machine client: its keys, revoking it, and letting it in again."""

from datetime import datetime, timedelta
from typing import Any

from polku_events import EventData
from polku_events.refusals import Refused
from polku_referral.model.directory import Client, announce_client

MAX_KEYS = 5
"""Two are enough to rotate; a machine in three places that rotates one by one needs a few more."""

Changed = tuple[Client, list[EventData]]


def add_key(client: Client, public: dict[str, Any]) -> Changed:
    """One more key, while keys are rotated. Raises Refused: its id is taken, or there are many already."""
    if any(key["kid"] == public["kid"] for key in client.keys):
        raise Refused("key-known")
    if len(client.keys) >= MAX_KEYS:
        raise Refused("many-keys")
    return announce_client(client.model_copy(update={"keys": (*client.keys, public)}))


def remove_key(client: Client, kid: str, *, void_tokens_at: datetime | None = None) -> Changed:
    """Without the key. The last one stays: a client without keys could never come in again.

    void_tokens_at: the key has leaked, so what was issued up to then is void too. Raises Refused.
    """
    left = tuple(key for key in client.keys if key["kid"] != kid)
    if len(left) == len(client.keys):
        raise Refused("unknown-key")
    if not left and client.jwks_uri is None:
        raise Refused("last-key")
    changed: dict[str, Any] = {"keys": left}
    if void_tokens_at is not None:
        changed["tokens_valid_from"] = next_second(void_tokens_at)
    return announce_client(client.model_copy(update=changed))


def revoke(client: Client, at: datetime) -> Changed:
    """It comes in no more, and what it was issued is void. Raises Refused when that was done before."""
    if not client.active:
        raise Refused("revoked-already")
    return announce_client(client.model_copy(update={"active": False, "tokens_valid_from": next_second(at)}))


def restore(client: Client) -> Changed:
    """It may get tokens again; what was void stays void. Raises Refused when it is not revoked."""
    if client.active:
        raise Refused("not-revoked")
    return announce_client(client.model_copy(update={"active": True}))


def suspend(client: Client, *, suspended: bool, at: datetime) -> Changed | None:
    """Follows its organisation out, or in again; None when it has followed already."""
    if client.suspended == suspended:
        return None
    void = {"tokens_valid_from": next_second(at)} if suspended else {}
    return announce_client(client.model_copy(update={"suspended": suspended, **void}))


def next_second(at: datetime) -> datetime:
    """The first whole second after: tokens tell their time in seconds (RFC 7519 §2)."""
    return at.replace(microsecond=0) + timedelta(seconds=1)
