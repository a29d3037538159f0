"""`each({ReferralAccepted: open_pathway, …})`: a service's consumer reads like a list of "on this, do that"."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence

from polku_events import EventData
from polku_runtime import causes, telemetry
from polku_runtime.outcomes import Apply, Dead, Handler, Outcome, Received, Result
from polku_runtime.trouble import is_infrastructure, name_of

CONCURRENT_KEYS = 16
"""More keys at once only queue in MongoDB's connection pool."""

log = logging.getLogger(__name__)


def each(handlers: Mapping[type[EventData], Handler]) -> Apply:
    """A batch applier that gives every record to the handler of its type.

    Records of one key (one person) are applied one after the other in the order of the batch, different
    keys at the same time. A type without a handler is skipped. A handler's unexpected error makes that
    record dead (`handler-error`); infrastructure trouble is raised, so that the runner repeats the batch.
    """
    by_type = {kind.TYPE: handler for kind, handler in handlers.items()}

    async def apply(batch: Sequence[Received]) -> Sequence[Result]:
        results: list[Result] = [Outcome.SKIPPED] * len(batch)
        keys: dict[str, list[int]] = defaultdict(list)
        for index, received in enumerate(batch):
            if received.event.type in by_type:
                keys[received.event.partition_key].append(index)
        gate = asyncio.Semaphore(CONCURRENT_KEYS)

        async def one_key(indexes: list[int]) -> None:
            async with gate:
                for index in indexes:
                    received = batch[index]
                    results[index] = await _apply_one(by_type[received.event.type], received)

        async with asyncio.TaskGroup() as group:
            for indexes in keys.values():
                group.create_task(one_key(indexes))
        return results

    return apply


async def _apply_one(handler: Handler, received: Received) -> Result:
    event = received.event
    cause = causes.Cause(correlation_id=event.correlation_id, causation_id=event.id)
    with causes.because_of(cause), telemetry.processing(received):
        try:
            return await handler(event)
        except Dead as dead:
            return dead
        except Exception as error:
            if is_infrastructure(error):
                raise
            log.exception("handler failed", extra={"event_id": event.id, "event_type": event.type})
            return Dead("handler-error", name_of(error))
