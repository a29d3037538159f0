"""What indicators listens to: every event that a figure needs is folded, staff and clients are remembered."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from polku_events.referral import ClientChanged, StaffChanged
from polku_indicators.model.fold import FOLDED
from polku_indicators.model.rules import Rules
from polku_indicators.repository import Store, Topics
from polku_indicators.repository.batch import Item, apply_items
from polku_runtime import telemetry
from polku_runtime.access import remember_client, remember_staff
from polku_runtime.dispatch import each
from polku_runtime.effects import Effects
from polku_runtime.outcomes import Apply, Outcome, Received, Result

TOPICS = ("referral", "pathway", "activities")
LANES = 2
"""Transactions of one batch at a time, over different partitions: one encodes while the other waits for the disk."""


def consume(store: Store, rules: Rules, topics: Topics, effects: Effects) -> Apply:
    """The applier of the worker's batches."""
    callers = each({StaffChanged: remember_staff(store.database), ClientChanged: remember_client(store.database)})

    async def apply(batch: Sequence[Received]) -> Sequence[Result]:
        results: list[Result] = [Outcome.SKIPPED] * len(batch)
        lanes: dict[int, list[int]] = defaultdict(list)
        items: dict[int, Item] = {}
        for index, received in enumerate(batch):
            kind = type(received.event.data)
            if kind in FOLDED:
                topic, partition = topics.place(received)
                items[index] = Item(received, topic, partition)
                lanes[partition % LANES].append(index)
            elif kind in (StaffChanged, ClientChanged):
                lanes[-1].append(index)

        async def one_lane(lane: int, indexes: list[int]) -> None:
            records = [batch[index] for index in indexes]
            if lane == -1:
                outcomes = await callers(records)
            else:
                with telemetry.processing_batch(records, "count"):
                    fresh = await apply_items(store, rules, [items[index] for index in indexes], effects.now())
                outcomes = [Outcome.APPLIED if is_new else Outcome.DUPLICATE for is_new in fresh]
            for index, outcome in zip(indexes, outcomes, strict=True):
                results[index] = outcome

        async with asyncio.TaskGroup() as group:
            for lane, indexes in lanes.items():
                group.create_task(one_lane(lane, indexes))
        return results

    return apply
