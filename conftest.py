"""Where the tests' servers come from: given addresses, else a Docker engine, else the embedded edition."""

import os
from collections.abc import Iterator

import pytest

pytest_plugins = ["polku_runtime.testing.fixtures"]


@pytest.fixture(scope="session")
def kafka_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a real Apache Kafka for the whole run (POLKU_TEST_KAFKA, or one that is started)."""
    if given := os.environ.get("POLKU_TEST_KAFKA"):
        yield given
        return
    from polku_embedded import servers

    with servers.kafka(tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest.fixture(scope="session")
def mongo_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URI of a real one-node replica set for the whole run (POLKU_TEST_MONGO, or one that is started)."""
    if given := os.environ.get("POLKU_TEST_MONGO"):
        yield given
        return
    from polku_embedded import servers

    with servers.mongod(tmp_path_factory.mktemp("mongod")) as uri:
        yield uri
