"""pytest fixtures over real servers: `pytest_plugins = ["polku_runtime.testing.fixtures"]`.

The whole run shares one Kafka and one mongod; every test has a namespace to itself, so that topics, groups
and databases of tests never meet. Where the servers come from is the root conftest's business: it gives
`kafka_address` and `mongo_address`.

Making the indexes of a service costs more than most tests do, so a namespace is emptied and given again.
"""

import asyncio
import itertools
import os
from collections import deque
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pymongo
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from cryptography.fernet import Fernet
from pymongo import MongoClient

from polku_runtime import mongo, topics
from polku_runtime.effects import Effects
from polku_runtime.mongo import Client
from polku_runtime.settings import Settings
from polku_runtime.testing.effects import Clock, fixed_effects

_numbers = itertools.count(1)
TOPICS_FILE = Path("deploy/kafka/topics.yaml")
RESTING = 4
"""So many tests later a namespace is emptied: by then whatever a cancelled task had still sent has been written."""
TIDYING_S = 60
"""Where thousands of rows were written, a busy machine takes longer to take them away than a request may wait."""
_resting: deque[str] = deque()
_empty: deque[str] = deque()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def effects(clock: Clock) -> Effects:
    return fixed_effects(clock, seed=next(_numbers))


@pytest.fixture
def reusable(request: pytest.FixtureRequest) -> bool:
    """Whether a namespace is as good as new once its databases are empty: what Kafka was told stays there."""
    return "kafka_environment" not in request.fixturenames


@pytest.fixture
def namespace(*, reusable: bool) -> str:
    """A prefix that no other test uses now; its databases are empty, but may have their collections and indexes."""
    return _empty.popleft() if reusable and _empty else f"t{os.getpid()}x{next(_numbers)}"


@pytest.fixture
def environment(namespace: str, mongo_address: str) -> dict[str, object]:
    """Settings as keyword arguments, for a service's own settings class. Kafka is added by `kafka_environment`."""
    return {
        "namespace": namespace,
        "mongo": mongo_address,
        "session_keys": Fernet.generate_key().decode(),
        "base_url": "http://127.0.0.1:8700",
        "database_seconds": 30,  # hundreds of requests at once on a busy machine are no outage
        "rate_requests": 1_000_000,
        "rate_at_once": 1000,
    }


@pytest.fixture
def settings(environment: dict[str, object]) -> Settings:
    return Settings.model_validate(environment)


@pytest.fixture(scope="session")
def _swept(mongo_address: str) -> Iterator[None]:
    """Leaves nothing in a mongod that was only lent."""
    yield
    with MongoClient[mongo.Document](mongo_address) as client:
        kept = tuple(f"{namespace}_" for namespace in (*_resting, *_empty))
        for name in client.list_database_names():
            if name.startswith(kept):
                client.drop_database(name)
    _resting.clear()
    _empty.clear()


@pytest.fixture
async def mongo_client(settings: Settings, _swept: None, *, reusable: bool) -> AsyncIterator[Client]:
    """A client on the real mongod; afterwards the namespace's databases are emptied for others, or dropped."""
    client = mongo.connect(settings)
    yield client
    with pymongo.timeout(TIDYING_S):
        if reusable:
            _resting.append(settings.namespace)
        else:
            for name in await _databases(client, settings.namespace):
                await client.drop_database(name)
        if len(_resting) > RESTING:
            rested = _resting.popleft()
            for name in await _databases(client, rested):
                kept = await client[name].list_collection_names()
                await asyncio.gather(*[client[name][one].delete_many({}) for one in kept])
            _empty.append(rested)
    await client.close()


async def _databases(client: Client, namespace: str) -> list[str]:
    prefix = namespace.replace("-", "_") + "_"
    return [name for name in await client.list_database_names() if name.startswith(prefix)]


@pytest.fixture
async def kafka_environment(
    environment: dict[str, object], kafka_address: str, pytestconfig: pytest.Config
) -> AsyncIterator[dict[str, object]]:
    """`environment` with the real Kafka, and the namespace's topics made from deploy/kafka/topics.yaml.

    They are taken away again: a broker with some thousand partitions runs out of memory.
    """
    plan = topics.read(pytestconfig.rootpath / TOPICS_FILE)
    applied = await topics.apply(kafka_address, str(environment["namespace"]), plan, single_node=True)
    environment["kafka"] = kafka_address
    yield environment
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_address)
    await admin.start()
    try:
        await admin.delete_topics(applied.created)
    finally:
        await admin.close()
