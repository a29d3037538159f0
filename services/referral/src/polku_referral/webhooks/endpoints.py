"""What may be done with webhooks: by their owners through the API, by the operator through `polku webhooks`."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError

from polku_events.refusals import Refused, Wrong, refuse_if
from polku_referral.feed.store import FeedStore
from polku_referral.master import MasterKey
from polku_referral.model.telling import DISABLED, TYPES, Item
from polku_referral.model.webhook import MAX_WEBHOOKS, Cause, Fill, Webhook
from polku_referral.webhooks import signatures
from polku_referral.webhooks.addresses import NOBODY, Allowed, judge
from polku_referral.webhooks.deliveries import DeliveryStore
from polku_referral.webhooks.store import Scope, WebhookStore
from polku_runtime.effects import Effects
from polku_runtime.mongo import Database, Document, transaction
from polku_web.problems import Problem


@dataclass(frozen=True)
class Webhooks:
    """Webhooks, what is sent to them and the feed that it comes from; `app.state.webhooks`."""

    store: WebhookStore
    deliveries: DeliveryStore
    feed: FeedStore
    allowed: Allowed
    effects: Effects

    async def create_indexes(self) -> None:
        await self.store.create_indexes()
        await self.deliveries.create_indexes()

    async def find(self, scope: Scope, webhook_id: str) -> Webhook:
        """Raises Problem 404: unknown, or not the caller's."""
        found = await self.store.get(webhook_id, scope)
        if found is None:
            raise Problem(404, "not-found")
        return found

    # -- the owner's --------------------------------------------------------------------------------------

    async def register(
        self, channel: str, url: str, events: Sequence[str], scheme: signatures.Scheme
    ) -> tuple[Webhook, str]:
        """The webhook, not verified yet, and what its owner verifies with, said this once. Raises Refused."""
        target = judge(url, self.allowed)
        wrong = [Wrong("url", target)] if isinstance(target, str) else []
        wrong += [Wrong(f"events/{place}", "unknown-code") for place, one in enumerate(events) if one not in TYPES]
        refuse_if(wrong)
        assert not isinstance(target, str)
        if len(await self.store.listed({"channel": channel})) >= MAX_WEBHOOKS:
            raise Refused("webhooks-enough")
        key = signatures.new_key()
        webhook = Webhook(
            id=self.effects.new_id(),
            channel=channel,
            url=target.url,
            events=tuple(dict.fromkeys(events)),
            scheme=scheme,
            state="unverified",
            made_at=self.effects.now(),
        )
        try:
            await self.store.add(webhook, key)
        except DuplicateKeyError:
            raise Refused("webhook-known") from None
        await self._challenge(webhook)
        return webhook, signatures.for_receiver(scheme, key)

    async def verify(self, webhook: Webhook) -> None:
        """Sends a new challenge. Raises Refused when it has been verified."""
        if webhook.state != "unverified":
            raise Refused("webhook-verified")
        await self._challenge(webhook)

    async def rotate(self, webhook: Webhook) -> tuple[str, datetime]:
        """What to verify with from now on, said this once, and until when the old one signs beside it."""
        key = signatures.new_key()
        until = await self.store.rotate(webhook, key)
        return signatures.for_receiver(webhook.scheme, key), until

    async def remove(self, webhook: Webhook) -> None:
        """Its secrets go at once, and what waits for it."""
        await self.store.remove(webhook.id)
        await self.deliveries.forget(webhook.id)

    # -- the owner's and the operator's -------------------------------------------------------------------

    async def enable(self, webhook: Webhook) -> None:
        """Sends again, from where it stopped. Raises Refused: not disabled, or its secrets are gone by age."""
        if webhook.state != "disabled":
            raise Refused("webhook-not-disabled")
        if not await self.store.has_keys(webhook.id):
            raise Refused("webhook-no-secret")

        async def once(session: AsyncClientSession) -> None:
            # Taking no number still makes whoever adds to the feed wait: each row is either filled in or made there.
            last = await self.feed.take(session, webhook.channel, 0)
            if await self.store.enabled(webhook.id, last, session):
                await self.store.take_keys_up(webhook.id, session)

        await transaction(self.feed.database.client, once)

    async def replay_one(self, webhook: Webhook, item_id: str) -> None:
        """Sends one item again. Raises Problem 404 when it is not in the owner's feed, Refused unless active."""
        row = await self.feed.row(item_id)
        if row is None or row["channel"] != webhook.channel:
            raise Problem(404, "not-found")
        _active(webhook)
        await self.deliveries.again(webhook, [row])
        await self.store.touch(webhook.id)

    async def replay(self, webhook: Webhook, *, after: int | None = None, since: datetime | None = None) -> int:
        """Sends all items after a place, or since an instant, again; how many places that is. Raises Refused."""
        _active(webhook)
        place = after if since is None else await self.feed.before(webhook.channel, since)
        last = await self.feed.last(webhook.channel)
        if place is None or place >= last:
            return 0
        await self.store.refill(webhook.id, Fill(after=max(place, 0), until=last))
        return last - place

    # -- the worker's -------------------------------------------------------------------------------------

    async def fan_out(self, session: AsyncClientSession, rows: Sequence[Document]) -> None:
        """The deliveries of new rows of the feed, in the transaction that adds the rows."""
        active = await self.store.active(sorted({row["channel"] for row in rows}), session)
        await self.deliveries.add(active, rows, session)

    async def disable(self, webhook: Webhook, cause: Cause) -> None:
        """Sends nothing more to it, and says so in the owner's feed, so to the owner's other webhooks too."""
        notice = Item(
            id=self.effects.new_id(),
            channel=webhook.channel,
            type=DISABLED,
            at=self.effects.now(),
            referral_id=None,
            external_id=None,
            state=None,
            version=None,
            data={"webhook_id": webhook.id, "cause": cause},
        )

        async def once(session: AsyncClientSession) -> None:
            last = await self.feed.take(session, webhook.channel, 0)
            if await self.store.disabled(webhook.id, cause, last, session):
                await self.store.set_keys_aside(webhook.id, session)
                await self.feed.append_within(session, [notice], self.fan_out)

        await transaction(self.feed.database.client, once)

    async def fill(self, webhook: Webhook, limit: int = 500) -> None:
        """Makes the next part of what is to be sent, or sent again."""
        part = webhook.fill
        assert part is not None
        rows = [row for row in await self.feed.page(webhook.channel, part.after, limit) if row["seq"] <= part.until]
        await self.deliveries.again(webhook, [row for row in rows if webhook.wants(row["type"])])
        upto = rows[-1]["seq"] if len(rows) == limit else part.until
        if upto == part.until:
            await self.deliveries.afresh(webhook.id)
        await self.store.filled(webhook.id, part, upto)

    async def _challenge(self, webhook: Webhook) -> None:
        await self.deliveries.challenge(webhook.id, secrets.token_urlsafe(24))


def open_webhooks(
    database: Database, effects: Effects, *, allowed: Allowed = NOBODY, master: MasterKey | None = None
) -> Webhooks:
    """master: seals and opens secrets; who only looks, enables and replays needs none."""
    store, deliveries = WebhookStore(database, effects, master), DeliveryStore(database, effects)
    return Webhooks(store, deliveries, FeedStore(database, effects), allowed, effects)


def _active(webhook: Webhook) -> None:
    if webhook.state != "active":
        raise Refused("webhook-not-active")
