"""Where the tests' servers come from: given addresses, else a Docker engine, else the embedded edition."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

MEMORY, ROOM = Path("/dev/shm"), 4 * 2**30  # noqa: S108 - a folder of its own is made in it
# The same examples in every run, and no verdict by the clock of a busy machine.
settings.register_profile("polku", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("polku")

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
def mongo_address(quick_folder: Path) -> Iterator[str]:
    """URI of a real one-node replica set for the whole run (POLKU_TEST_MONGO, or one that is started)."""
    if given := os.environ.get("POLKU_TEST_MONGO"):
        yield given
        return
    from polku_embedded import servers

    folder = quick_folder / "mongod"
    folder.mkdir()
    with servers.mongod(folder) as uri:
        yield uri


@pytest.fixture(scope="session")
def quick_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory where there is room: every test makes its indexes, and on a disk half its time is waiting for that.

    What must survive a crash is tested on installations of their own, which keep their data on the disk.
    """
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        with tempfile.TemporaryDirectory(prefix="polku-", dir=MEMORY) as folder:
            yield Path(folder)
    else:
        yield tmp_path_factory.mktemp("quick")
