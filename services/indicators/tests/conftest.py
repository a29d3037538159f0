"""A store on the real mongod, prepared as a worker prepares it."""

import pytest

from polku_indicators.catalogue import load_rules
from polku_indicators.consumer import consume
from polku_indicators.repository import Store, Topics
from polku_indicators.repository.switch import prepare
from polku_runtime import mongo

from .feeding import Feed


@pytest.fixture(scope="session")
def rules():
    return load_rules()


@pytest.fixture
def reusable():
    """Rebuilding makes and drops collections by number: their names tell what has been."""
    return False


@pytest.fixture
def feed(namespace):
    return Feed(namespace)


@pytest.fixture
async def store(mongo_client, settings, rules, effects):
    store = Store(mongo_client, mongo.database(mongo_client, settings, "indicators"))
    await prepare(store, rules, effects.now())
    return store


@pytest.fixture
def apply(store, rules, settings, effects):
    return consume(store, rules, Topics.of(settings.namespace), effects)
