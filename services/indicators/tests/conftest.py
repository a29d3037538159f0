"""A store on the real mongod, prepared as a worker prepares it, and the service over it with a door of the test's own."""

import httpx
import pytest
from aiokafka import AIOKafkaProducer

from polku_events import encode
from polku_indicators.app import create_api
from polku_indicators.catalogue import load_rules
from polku_indicators.consumer import consume
from polku_indicators.repository import Store, Topics
from polku_indicators.repository.switch import prepare
from polku_indicators.settings import IndicatorsSettings
from polku_runtime import mongo
from polku_runtime.access import Principal
from polku_runtime.outcomes import Received
from polku_web.doors import Visit

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


class FakeDoor:
    """Lets in whoever the test says."""

    csrf_keys = (b"k",)

    def __init__(self) -> None:
        self.staff: Principal | None = None
        self.machine: Principal | None = None

    async def visit(self, request):
        return None if self.staff is None else Visit(self.staff, "session", None)

    async def client(self, token):
        return self.machine if token == "good" else None

    def enter(self, *roles, programmes=("kainuu",)):
        self.staff = Principal(kind="staff", id="s1", roles=frozenset(roles), programmes=frozenset(programmes))


@pytest.fixture
def door():
    return FakeDoor()


@pytest.fixture
async def app(store, settings, effects, door):
    app = create_api(settings, effects=effects, door=door)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def web(app):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
        yield client


@pytest.fixture
def kafka_settings(kafka_environment):
    """The service's settings, with the real Kafka."""
    return IndicatorsSettings.model_validate(kafka_environment)


@pytest.fixture
async def publish(kafka_settings, feed):
    """Publishes events to the real topics; answers them as the runner would hand them over."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka_settings.kafka, acks="all")
    await producer.start()

    async def send(happenings) -> list[Received]:
        sent = []
        for record in feed.add(happenings):
            key, value, headers = encode(record.event)
            kept = await producer.send_and_wait(record.topic, value, key=key, headers=headers)
            assert kept.partition == record.partition
            sent.append(Received(record.topic, kept.partition, kept.offset, record.event))
        return sent

    yield send
    await producer.stop()
