"""One installation for all tests that cross services, and one referral service for those that only call it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .installation import Installation, installed
from .serving import Serving, serving


@pytest.fixture(scope="session")
def installation(quick_folder: Path) -> Iterator[Installation]:
    with installed(quick_folder / "polku") as running:
        yield running


@pytest.fixture(scope="session")
def polku(mongo_address: str, kafka_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(mongo_address, kafka_address, tmp_path_factory.mktemp("referral")) as running:
        yield running
