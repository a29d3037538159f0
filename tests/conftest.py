"""One installation for all tests that cross services."""

from collections.abc import Iterator

import pytest

from .installation import Installation, installed


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("polku")) as running:
        yield running
