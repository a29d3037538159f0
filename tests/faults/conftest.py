"""An installation of its own for faults, so that no other test meets them."""

from collections.abc import Iterator

import pytest

from tests.installation import Installation, installed


@pytest.fixture(scope="session")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    webhooks = {"POLKU_WEBHOOK_ALLOW": "127.0.0.1", "POLKU_WEBHOOK_TIMEOUT": "2"}
    with installed(tmp_path_factory.mktemp("troubled") / "data", **webhooks) as running:
        yield running
