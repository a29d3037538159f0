"""An installation of its own for faults, so that no other test meets them, and a database for each run of a property."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from polku_runtime.mongo import Client, Database, database
from polku_runtime.settings import Settings
from tests.installation import Installation, installed


@pytest.fixture(scope="session")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    webhooks = {"POLKU_WEBHOOK_ALLOW": "127.0.0.1", "POLKU_WEBHOOK_TIMEOUT": "2"}
    with installed(tmp_path_factory.mktemp("troubled") / "data", **webhooks) as running:
        yield running


@pytest.fixture
def fresh(mongo_client: Client, settings: Settings) -> Callable[[], Database]:
    """A database for each run of a property."""
    numbers = itertools.count(1)
    return lambda: database(mongo_client, settings, f"planted{next(numbers)}")
