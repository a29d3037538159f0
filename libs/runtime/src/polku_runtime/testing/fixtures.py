"""pytest fixtures over real servers: `pytest_plugins = ["polku_runtime.testing.fixtures"]`.

The whole run shares one Kafka and one mongod; every test has a namespace of its own, so that topics, groups
and databases of tests never meet. Where the servers come from is the root conftest's business: it gives
`kafka_address` and `mongo_address`.
"""

import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from polku_runtime import mongo, topics
from polku_runtime.effects import Effects
from polku_runtime.mongo import Client
from polku_runtime.settings import Settings
from polku_runtime.testing.effects import Clock, fixed_effects

_numbers = itertools.count(1)
TOPICS_FILE = Path("deploy/kafka/topics.yaml")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def effects(clock: Clock) -> Effects:
    return fixed_effects(clock, seed=next(_numbers))


@pytest.fixture
def namespace() -> str:
    """A prefix that no other test of this run or of one beside it uses."""
    return f"t{os.getpid()}x{next(_numbers)}"


@pytest.fixture
def environment(namespace: str, mongo_address: str) -> dict[str, object]:
    """Settings as keyword arguments, for a service's own settings class. Kafka is added by `kafka_environment`."""
    return {
        "namespace": namespace,
        "mongo": mongo_address,
        "session_keys": Fernet.generate_key().decode(),
        "base_url": "http://127.0.0.1:8700",
        "rate_requests": 1_000_000,
        "rate_at_once": 1000,
    }


@pytest.fixture
def settings(environment: dict[str, object]) -> Settings:
    return Settings.model_validate(environment)


@pytest.fixture
async def mongo_client(settings: Settings) -> AsyncIterator[Client]:
    """A client on the real mongod; the namespace's databases are dropped afterwards."""
    client = mongo.connect(settings)
    yield client
    prefix = settings.namespace.replace("-", "_") + "_"
    for name in await client.list_database_names():
        if name.startswith(prefix):
            await client.drop_database(name)
    await client.close()


@pytest.fixture
async def kafka_environment(
    environment: dict[str, object], kafka_address: str, pytestconfig: pytest.Config
) -> dict[str, object]:
    """`environment` with the real Kafka, and the namespace's topics made from deploy/kafka/topics.yaml."""
    plan = topics.read(pytestconfig.rootpath / TOPICS_FILE)
    await topics.apply(kafka_address, str(environment["namespace"]), plan, single_node=True)
    environment["kafka"] = kafka_address
    return environment
