"""Every consumer reads every sample of what it hears: no released version of an event may surprise a service."""

import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from polku_embedded.parts import PARTS
from polku_embedded.status import HEARS
from polku_events import decode, service_of
from polku_events.files import Sample, samples
from polku_events.listeners import LISTENERS
from polku_runtime.mongo import Client
from polku_runtime.outcomes import Dead, Outcome, Received, Result
from polku_runtime.worker import Worker

DECLARED: Mapping[str, set[str]] = {
    "referral": {"unknown-person", "unknown-referral"},
    "pathway": {"unknown-programme"},
    "activities": set(),
    "indicators": set(),
}
"""The refusals that a lone event may meet: a sample comes without the history that leads to it."""
HARMLESS = {Outcome.APPLIED, Outcome.DUPLICATE, Outcome.SKIPPED}


@pytest.fixture
def worker_environment(environment: dict[str, object], mongo_client: Client, tmp_path: Path) -> dict[str, object]:
    del mongo_client  # it drops the databases afterwards
    key_file = tmp_path / "master.key"
    key_file.write_bytes(secrets.token_bytes(96))
    return {**environment, "master_key_file": key_file, "identity_codes": "artificial"}


@asynccontextmanager
async def prepared(service: str, environment: dict[str, object]) -> AsyncIterator[Worker]:
    """A service's worker with its database ready, its consumer fed by hand."""
    part = PARTS[service]
    worker = part.create_worker(part.settings.model_validate(environment))
    await worker.prepare()
    try:
        yield worker
    finally:
        await worker.client.close()


def heard(service: str) -> list[Sample]:
    return [sample for sample in samples() if service_of(sample.event_type) in LISTENERS[service]]


def as_received(worker: Worker, written: Iterable[Sample]) -> list[Received]:
    """The samples as the runner would hand them over, each at a place of its own."""
    return [
        Received(
            topic=worker.settings.topic(f"{service_of(sample.event_type)}.events"),
            partition=0,
            offset=offset,
            event=decode(sample.value, sample.headers),
        )
        for offset, sample in enumerate(written)
    ]


def surprises(service: str, written: Iterable[Sample], results: Iterable[Result]) -> dict[str, str]:
    """Sample → what became of it, for all that no rule foresees."""
    return {
        sample.name: f"{result.reason} {result.error}" if isinstance(result, Dead) else str(result)
        for sample, result in zip(written, results, strict=True)
        if not (result.reason in DECLARED[service] if isinstance(result, Dead) else result in HARMLESS)
    }


@pytest.mark.parametrize("service", PARTS)
async def test_every_sample_alone_has_a_foreseen_outcome(service: str, worker_environment: dict[str, object]) -> None:
    async with prepared(service, worker_environment) as worker:
        written = heard(service)
        assert written
        results = [(await worker.runner.apply([received]))[0] for received in as_received(worker, written)]
    assert surprises(service, written, results) == {}
    assert set(results) - {Outcome.SKIPPED}, "a service that skips all it hears would pass for nothing"


@pytest.mark.parametrize("service", PARTS)
async def test_all_samples_in_one_batch_and_once_more_after_it(
    service: str, worker_environment: dict[str, object]
) -> None:
    async with prepared(service, worker_environment) as worker:
        written = heard(service)
        first = await worker.runner.apply(as_received(worker, written))
        again = await worker.runner.apply(as_received(worker, written))
    assert surprises(service, written, first) == {}
    assert surprises(service, written, again) == {}
    assert Outcome.APPLIED not in again, "a second delivery had an effect"


@pytest.mark.parametrize("service", PARTS)
async def test_the_listeners_of_the_contract_are_the_topics_that_are_read(
    service: str, worker_environment: dict[str, object]
) -> None:
    async with prepared(service, worker_environment) as worker:
        settings = worker.settings
        read = [*(settings.topic(f"{one}.events") for one in LISTENERS[service]), settings.topic(f"{service}.redrive")]
        assert worker.runner.topics == read
    assert tuple(HEARS[service]) == LISTENERS[service]


def test_the_contract_names_every_consumer() -> None:
    assert set(LISTENERS) == set(PARTS) == set(HEARS)
