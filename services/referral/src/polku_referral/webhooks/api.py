"""Webhooks over HTTP: registered, verified, replaced and looked at by the sender's own systems."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pymongo import DESCENDING
from starlette.requests import Request

from polku_events.refusals import Refused
from polku_referral.api.referrals import AtDesk
from polku_referral.audit import Look, denied
from polku_referral.desk import Desk
from polku_referral.feed.api import place_of
from polku_referral.model.telling import channel_of
from polku_referral.model.webhook import Webhook
from polku_referral.texts import as_problem
from polku_referral.webhooks import wire
from polku_referral.webhooks.endpoints import Webhooks
from polku_runtime.access import Principal
from polku_web.doors import client
from polku_web.i18n import msg
from polku_web.paging import Window, after_key, link, page, window
from polku_web.problems import Error, Problem

BASE = "/referral/api/v1/webhooks"
NEWEST_FIRST = [("seq", DESCENDING), ("_id", DESCENDING)]

router = APIRouter(prefix=BASE, tags=["webhooks"])
Owner = Annotated[Principal, Depends(client("referrals:write"))]
Part = Annotated[Window, Depends(window)]


def webhooks_of(request: Request) -> Webhooks:
    found: Webhooks = request.app.state.webhooks
    return found


AtWebhooks = Annotated[Webhooks, Depends(webhooks_of)]


async def owned(who: Owner, desk: AtDesk, webhooks: AtWebhooks, webhook_id: str) -> Webhook:
    """Another's webhook is as unknown as none. Raises Problem 404."""
    found = await webhooks.store.get(webhook_id, {"channel": _channel(who)})
    if found is None:
        await desk.audit.write(who, [denied(webhook_id)])
        raise Problem(404, "not-found")
    return found


Owned = Annotated[Webhook, Depends(owned)]


@router.post("", status_code=201)
async def register(
    response: Response, who: Owner, desk: AtDesk, webhooks: AtWebhooks, body: wire.WebhookIn
) -> wire.NewWebhookOut:
    """Registers an address and sends it a challenge: a signed `webhook.challenge` with `data.challenge`.

    The address answers 2xx with the challenge as its whole body, as text or as `{"challenge": …}`. It is called a few
    times within minutes; afterwards ask with `verify` for a new one. Nothing else is sent before.
    """
    with _refusals():
        made, verify_with = await webhooks.register(_channel(who), body.url, body.events, body.scheme)
    await _written(desk, who, "webhook-added", made)
    response.headers["location"] = f"{BASE}/{made.id}"
    return wire.NewWebhookOut(**wire.webhook(made).model_dump(), verify_with=verify_with)


@router.get("")
async def list_webhooks(who: Owner, webhooks: AtWebhooks) -> wire.WebhookList:
    """The caller's webhooks, oldest first."""
    found = await webhooks.store.listed({"channel": _channel(who)})
    return wire.WebhookList(items=[wire.webhook(one) for one in found])


@router.get("/{webhook_id}")
async def one_webhook(webhook: Owned) -> wire.WebhookOut:
    """Where one webhook stands."""
    return wire.webhook(webhook)


@router.delete("/{webhook_id}", status_code=204)
async def remove(who: Owner, desk: AtDesk, webhook: Owned, webhooks: AtWebhooks) -> None:
    """Nothing more is sent to it, and its secrets are deleted. The feed stays."""
    await _written(desk, who, "webhook-removed", webhook)
    await webhooks.remove(webhook)


@router.post("/{webhook_id}/verify", status_code=202)
async def verify(webhook: Owned, webhooks: AtWebhooks) -> wire.WebhookOut:
    """Sends a new challenge."""
    with _refusals():
        await webhooks.verify(webhook)
    return wire.webhook(webhook)


@router.post("/{webhook_id}/rotate")
async def rotate(who: Owner, desk: AtDesk, webhook: Owned, webhooks: AtWebhooks) -> wire.RotatedOut:
    """A new secret or key. Both sign every message for 24 hours, so nothing is lost while the receiver is changed."""
    await _written(desk, who, "webhook-rotated", webhook)
    verify_with, until = await webhooks.rotate(webhook)
    return wire.RotatedOut(verify_with=verify_with, both_until=until)


@router.post("/{webhook_id}/enable")
async def enable(who: Owner, desk: AtDesk, webhook: Owned, webhooks: AtWebhooks) -> wire.WebhookOut:
    """Sends again to an address that was disabled, from where it stopped."""
    await _written(desk, who, "webhook-enabled", webhook)
    with _refusals():
        await webhooks.enable(webhook)
    return wire.webhook(await owned(who, desk, webhooks, webhook.id))


@router.post("/{webhook_id}/replay", status_code=202)
async def replay(webhook: Owned, webhooks: AtWebhooks, wish: wire.ReplayIn) -> wire.ReplayOut:
    """Sends everything after a place of the feed, or since an instant, again; ids stay the same."""
    if (wish.after is None) == (wish.since is None):
        raise Problem(422, "invalid", errors=[Error("/after", "needed", msg("Give either a cursor or an instant."))])
    with _refusals():
        after = None if wish.after is None else place_of(wish.after, webhook.channel)
        return wire.ReplayOut(places=await webhooks.replay(webhook, after=after, since=wish.since))


@router.get("/{webhook_id}/deliveries")
async def deliveries(
    request: Request,
    response: Response,
    webhook: Owned,
    webhooks: AtWebhooks,
    part: Part,
    state: Annotated[wire.State | None, Query()] = None,
) -> wire.DeliveryList:
    """What was sent and what waits, newest first; what is done is kept for 90 days."""
    after = after_key(NEWEST_FIRST, part.after)
    rows = await webhooks.deliveries.listed(webhook.id, state, after, part.fetch)
    found = page(rows, part, lambda row: (row["seq"], row["_id"]))
    link(request, response, found.next)
    return wire.DeliveryList(items=[wire.delivery(row) for row in found.items], next=found.next)


@router.post("/{webhook_id}/deliveries/{delivery}/replay", status_code=202)
async def replay_one(webhook: Owned, webhooks: AtWebhooks, delivery: str) -> wire.ReplayOut:
    """Sends one item again. delivery: its `webhook-id`, which is its id in the feed."""
    with _refusals():
        await webhooks.replay_one(webhook, delivery)
    return wire.ReplayOut(places=1)


@router.get("/{webhook_id}/attempts")
async def attempts(
    request: Request,
    response: Response,
    webhook: Owned,
    webhooks: AtWebhooks,
    part: Part,
    delivery: Annotated[str | None, Query(max_length=64)] = None,
) -> wire.AttemptList:
    """Every try of the last 90 days with its status or error, newest first."""
    after: Mapping[str, Any] = after_key([("_id", DESCENDING)], part.after)
    rows = await webhooks.deliveries.attempts_of(webhook.id, delivery, dict(after), part.fetch)
    found = page(rows, part, lambda row: (row["_id"],))
    link(request, response, found.next)
    return wire.AttemptList(items=[wire.attempt(row) for row in found.items], next=found.next)


async def _written(desk: Desk, who: Principal, action: str, webhook: Webhook) -> None:
    """Where an organisation's events go must be found again when one of its keys was stolen."""
    await desk.audit.write(who, [Look(None, action, about=webhook.id)])


def _channel(who: Principal) -> str:
    return channel_of(who.organisation_id or "", test=who.test)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise as_problem(refused) from None
