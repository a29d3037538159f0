"""`polku webhooks …`: which addresses are called, what became of each try, sent again, taken into use again."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer

from polku_events.refusals import Refused
from polku_referral.cli.common import Json, day, failed, run, say, say_all, told
from polku_referral.directory import Directory
from polku_referral.model.telling import channel_of
from polku_referral.webhooks import wire
from polku_referral.webhooks.endpoints import Webhooks, open_webhooks
from polku_runtime.settings import Settings
from polku_web.formats import HELSINKI
from polku_web.problems import Problem

app = typer.Typer(no_args_is_help=True, help="Addresses of senders' systems that hear of their referrals.")
WebhookId = Annotated[str, typer.Argument(metavar="WEBHOOK", help="Id, as `list` prints it.")]
T = TypeVar("T")


@app.command("list")
def list_all(
    *,
    organisation: Annotated[str | None, typer.Option(help="Only this one's, by its code.")] = None,
    as_json: Json = False,
) -> None:
    """Webhooks with their state, how much waits for them and since when."""

    async def work(webhooks: Webhooks, directory: Directory) -> list[dict[str, Any]]:
        scope = {"channel": {"$in": await _channels(directory, organisation)}} if organisation else {}
        rows, backlogs = [], await webhooks.deliveries.backlogs()
        for webhook in await webhooks.store.listed(scope):
            shown = wire.webhook(webhook).model_dump(mode="json", exclude_none=True)
            waiting, since = backlogs.get(webhook.id, (0, None))
            waits = {"waiting": waiting, "waiting_since": since and since.isoformat()}
            rows.append({**shown, "organisation_id": webhook.channel.partition(":")[0], **waits})
        return rows

    say_all(_work(work), as_json)


@app.command("attempts")
def attempts(
    webhook_id: WebhookId,
    *,
    delivery: Annotated[str | None, typer.Option(help="Only of this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: Json = False,
) -> None:
    """Tries of the last 90 days, newest first."""

    async def work(webhooks: Webhooks, _: Directory) -> list[dict[str, Any]]:
        await webhooks.find({}, webhook_id)
        rows = await webhooks.deliveries.attempts_of(webhook_id, delivery, {}, limit)
        return [wire.attempt(row).model_dump(mode="json") for row in rows]

    say_all(_work(work), as_json)


@app.command("replay")
def replay(
    webhook_id: WebhookId,
    *,
    delivery: Annotated[str | None, typer.Option(help="This one.")] = None,
    since: Annotated[str | None, typer.Option(help="All since this day.")] = None,
    as_json: Json = False,
) -> None:
    """Send again: one delivery, or all since a day."""
    if (delivery is None) == (since is None):
        raise failed("give either --delivery or --since")
    begin = None
    if since is not None:
        begin = datetime.combine(day(since), datetime.min.time(), HELSINKI).astimezone(UTC)

    async def work(webhooks: Webhooks, _: Directory) -> int:
        webhook = await webhooks.find({}, webhook_id)
        if delivery is None:
            return await webhooks.replay(webhook, since=begin)
        await webhooks.replay_one(webhook, delivery)
        return 1

    say({"places": _work(work)}, as_json)


@app.command("enable")
def enable(webhook_id: WebhookId, *, as_json: Json = False) -> None:
    """Call an address again that was disabled, from where it stopped."""

    async def work(webhooks: Webhooks, _: Directory) -> str:
        await webhooks.enable(await webhooks.find({}, webhook_id))
        return (await webhooks.find({}, webhook_id)).state

    say({"webhook_id": webhook_id, "state": _work(work)}, as_json)


async def _channels(directory: Directory, code: str) -> list[str]:
    found = await directory.organisation(code)
    if found is None:
        raise failed(f"there is no organisation {code}")
    return [channel_of(found.id, test=test) for test in (False, True)]


def _work(work: Callable[[Webhooks, Directory], Awaitable[T]]) -> T:
    async def inside(directory: Directory, _: Settings) -> T:
        return await work(open_webhooks(directory.database, directory.effects), directory)

    try:
        return run(inside)
    except Refused as refused:
        raise failed(told(refused)) from None
    except Problem:
        raise failed("there is no such thing") from None
