"""One service for the clients that are not ours."""

from collections.abc import Iterator

import pytest

from ..serving import Serving, serving


@pytest.fixture(scope="session")
def polku(mongo_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(mongo_address, tmp_path_factory.mktemp("referral")) as running:
        yield running
