"""`polku rebuild`: the figures made again from the topics, compared with the live ones, and put in their place."""

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from polku_indicators.model import checksum
from polku_indicators.model.counting import Counters, merged
from polku_indicators.model.rules import Rules
from polku_indicators.replay import Progress, Replay, replay
from polku_indicators.repository import Store, Topics
from polku_indicators.repository.subjects import Moved, judge_again, new_subject
from polku_indicators.repository.switch import Positions, prepare, snapshot, switch, write_view
from polku_runtime.effects import Effects
from polku_runtime.mongo import Document
from polku_runtime.settings import Settings


@dataclass(frozen=True)
class Sums:
    """Checksums of one view: of the states, and of the counters by programme."""

    states: str
    counters: str


@dataclass(frozen=True)
class Outcome:
    """What a rebuild found. seconds and records cover reading, folding and counting, not the comparison."""

    equal: bool
    live: Sums
    rebuilt: Sums
    records: int
    events: int
    unreadable: int
    seconds: float
    swapped_to: int | None
    caught_up: int

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "records_per_second": round(self.records / self.seconds) if self.seconds else None}


@dataclass(frozen=True)
class _Live:
    positions: Positions
    sums: Sums


async def rebuild(
    store: Store,
    settings: Settings,
    rules: Rules,
    effects: Effects,
    *,
    swap: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Reads the topics up to the live view's positions and compares; with `swap` makes the new view live."""
    topics = Topics.of(settings.namespace)
    await prepare(store, rules, effects.now())
    live = await _read_live(store)
    began = time.perf_counter()
    read = await replay(settings, topics, live.positions, progress)
    subjects = _subjects(read)
    moved = judge_again(subjects, rules)
    seconds = time.perf_counter() - began
    rebuilt = Sums(
        checksum.of_states(read.states.items()),
        checksum.of_counters(_by_programme(moved)),
    )
    number, caught_up = None, 0
    if swap:
        number = await write_view(store, subjects, moved, live.positions, effects.now())
        caught_up = await switch(store, number, rules, topics, effects.now())
    return Outcome(
        equal=rebuilt == live.sums,
        live=live.sums,
        rebuilt=rebuilt,
        records=read.records,
        events=read.folded,
        unreadable=read.unreadable,
        seconds=seconds,
        swapped_to=number,
        caught_up=caught_up,
    )


def _subjects(read: Replay) -> list[Document]:
    return [{**new_subject(key, read.partitions[key]), "state": state} for key, state in read.states.items()]


async def _read_live(store: Store) -> _Live:
    """Positions and checksums of the live view at one moment, while the worker goes on."""
    async with snapshot(store) as session:
        view, _ = await store.live(session)
        positions = await store.positions(view, session)
        counters: Moved = {}
        async for document in store.counters.find({"view": view}, session=session):
            counters[document["programme"], document["partition"]] = document["n"]
        total = checksum.of_states([])
        batch: list[tuple[str, Any]] = []
        async for document in store.subjects(view).find({}, {"state": True}, session=session):
            batch.append((document["_id"], document["state"]))
            if len(batch) == 1000:
                total = checksum.plus(total, checksum.of_states(batch))
                batch = []
        total = checksum.plus(total, checksum.of_states(batch))
    return _Live(positions, Sums(total, checksum.of_counters(_by_programme(counters))))


def _by_programme(counters: Mapping[tuple[str, int], Counters]) -> dict[str, Counters]:
    parts: dict[str, list[Counters]] = defaultdict(list)
    for (programme, _), part in counters.items():
        parts[programme].append(part)
    return {programme: merged(of) for programme, of in parts.items()}
