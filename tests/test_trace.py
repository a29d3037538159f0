"""One trace from an authority's POST through outbox, relay, Kafka and fold to the counter, and no person in it."""

import asyncio
import io
import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from polku_embedded.parts import PARTS
from polku_embedded.world.colleague import Colleague
from polku_embedded.world.sender import Sender
from polku_referral.directory import Directory
from polku_referral.model.directory import Client as Machine
from polku_referral.model.directory import Organisation, Staff, announce_organisation, announce_staff
from polku_referral.settings import ReferralSettings
from polku_runtime import logs, telemetry
from polku_runtime.access import Session, SessionSeal
from polku_runtime.effects import system_effects
from polku_runtime.mongo import Client

from .installation import body, until

ORGANISATION, COORDINATOR = "0197aaaa-0000-7000-8000-0000000000a1", "0197aaaa-0000-7000-8000-000000000001"
CALLER_TRACE, CALLER_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
REFERRALS = "/referral/api/v1/referrals"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """A provider for this test alone: the library lets a process set its own only once."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    return exporter


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The process's log as a service writes it, everything of ours included."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = list(root.handlers), root.level
    formatter = logs.configure("test", "DEBUG", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    assert formatter.redactions == 0


@dataclass(frozen=True)
class Running:
    """The door's app and all workers in this process."""

    sender: Sender
    coordinator: Colleague
    mongo: Client
    namespace: str

    async def one(self, service: str, collection: str, **where: Any) -> dict[str, Any] | None:
        found: dict[str, Any] | None = await self.mongo[f"{self.namespace}_{service}"][collection].find_one(where)
        return found


@pytest.fixture
async def running(
    spans: InMemorySpanExporter,
    written: io.StringIO,
    kafka_environment: dict[str, object],
    mongo_client: Client,
    tmp_path: Path,
) -> AsyncIterator[Running]:
    del spans, written  # they must be there first
    (tmp_path / "master.key").write_bytes(secrets.token_bytes(96))
    environment = {**kafka_environment, "master_key_file": tmp_path / "master.key", "identity_codes": "artificial"}
    settings = ReferralSettings.model_validate(environment)
    app = PARTS["referral"].create_api(settings)
    workers = [part.create_worker(part.settings.model_validate(environment)) for part in PARTS.values()]
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        tasks = [asyncio.create_task(worker.run(stop)) for worker in workers]
        client = await enrol(app.state.directory, settings)
        cookies = await session(app.state.directory, settings)
        traced = {"traceparent": f"00-{CALLER_TRACE}-{CALLER_SPAN}-01"}
        transport, address = httpx.ASGITransport(app), settings.base_url
        machine = httpx.AsyncClient(transport=transport, base_url=address, headers=traced)
        browser = httpx.AsyncClient(transport=transport, base_url=address, cookies=cookies)
        for http in (machine, browser):
            await stack.enter_async_context(http)
        coordinator = Colleague(browser)
        await coordinator._learn_token()
        yield Running(Sender(client, machine), coordinator, mongo_client, settings.namespace)
        stop.set()
        await asyncio.gather(*tasks)


async def enrol(directory: Directory, settings: ReferralSettings) -> dict[str, Any]:
    fresh = Organisation(id=ORGANISATION, code="kajaani", name="Kajaani", kind="employment-area")
    await directory.organisations.add(*announce_organisation(fresh))
    key = ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)
    machine = Machine(
        id="machine-1",
        organisation_id=ORGANISATION,
        scopes=("referrals:write", "referrals:read"),
        keys=(dict(key.as_dict(private=False)),),
    )
    await directory.add_client(machine)
    return {
        "client_id": machine.id,
        "audience": settings.base_url,
        "private_key": key.as_dict(private=True),
        "token_endpoint": f"{settings.base_url}/referral/oauth/token",
    }


async def session(directory: Directory, settings: ReferralSettings) -> dict[str, str]:
    now = system_effects().now()
    member = Staff(
        id=COORDINATOR,
        login="oona@example.fi",
        name="Oona Ohjaaja",
        roles=("coordinator",),
        programmes=("kainuu",),
        sessions_valid_from=now,
    )
    await directory.staff.add(*announce_staff(member))
    seal = SessionSeal(settings.session_keys.get_secret_value(), settings.base_url)
    return {seal.cookie_name: seal.seal(Session("session-1", COORDINATOR, now, now))}


def group_of(span: ReadableSpan) -> str:
    group = (span.attributes or {}).get("messaging.consumer.group.name", "")
    return f"{group}".rpartition(".")[2]


def found(spans: InMemorySpanExporter, name: str, event_type: str = "", group: str = "") -> ReadableSpan:
    """The one span with this name, about an event of this type, made by this group."""
    [span] = [
        span
        for span in spans.get_finished_spans()
        if span.name == name
        and (not event_type or (span.attributes or {}).get("polku.event.type") == event_type)
        and (not group or group_of(span) == group)
    ]
    return span


def ancestors(spans: InMemorySpanExporter, span: ReadableSpan) -> list[str]:
    """Names from the span up to the first that this process made, then the id of the caller's span."""
    made = {one.context.span_id: one for one in spans.get_finished_spans()}
    names = [span.name]
    while span.parent is not None:
        if span.parent.span_id not in made:
            return [*names, f"{span.parent.span_id:016x}"]
        span = made[span.parent.span_id]
        names.append(span.name)
    return names


def everything(span: ReadableSpan) -> str:
    """All that an exporter would send of a span."""
    return f"{span.to_json()} {span.status.description} {[dict(link.attributes or {}) for link in span.links]}"


async def test_one_trace_from_the_post_to_the_counter(
    running: Running, spans: InMemorySpanExporter, written: io.StringIO
) -> None:
    sent = body("TRACE-1", 1)
    receipt = await running.sender.push(sent)
    accept = {"accepted_on": sent["referred_on"]}
    answer = await running.coordinator.command(f"{REFERRALS}/{receipt['id']}/accept", accept, receipt["version"])
    assert answer.status_code == httpx.codes.OK, answer.text
    kept = await running.one("referral", "referrals", _id=receipt["id"])
    assert kept is not None
    named = await running.coordinator.get("/referral/api/v1/names", person=kept["person_id"])
    assert sent["person"]["family_name"] in str(named), "the names did go through this process"

    async def counted() -> bool:
        # Each partition has a counter of its own; one person's events meet in one.
        wanted = {f"n.referrals-{what}.all": 1 for what in ("received", "accepted")}
        return await running.one("indicators", "counters", programme="kainuu", **wanted) is not None

    async def joined() -> bool:
        return sum(group_of(span) == "indicators" and span.name.startswith("process ") for span in done()) >= 3

    def done() -> tuple[ReadableSpan, ...]:
        return spans.get_finished_spans()

    await until(counted, 90)
    await until(joined, 90)

    referral_topic, pathway_topic = (f"{running.namespace}.{name}.events" for name in ("referral", "pathway"))
    post, accepting = f"POST {REFERRALS}", f"POST {REFERRALS}/{{referral_id}}/accept"
    received = found(spans, f"process {referral_topic}", "polku.referral.received.v1", "indicators")
    assert ancestors(spans, received) == [f"process {referral_topic}", f"send {referral_topic}", post, CALLER_SPAN]
    assert f"{received.context.trace_id:032x}" == CALLER_TRACE

    opened = found(spans, f"process {pathway_topic}", "polku.pathway.opened.v1", "indicators")
    way = [f"process {pathway_topic}", f"send {pathway_topic}", f"process {referral_topic}", f"send {referral_topic}"]
    assert ancestors(spans, opened) == [*way, accepting]

    counting = [link.context.span_id for span in done() if span.name == "count" for link in span.links]
    assert received.parent is not None
    assert received.parent.span_id in counting, "the batch that counted it is linked with the producer"

    person = sent["person"]
    private = (person["identity_code"], person["given_names"], person["family_name"], person["phone"])
    told = [everything(span) for span in done()]
    for secret in (*private, kept["person_id"], sent["sender"]["name"], receipt["case_code"]):
        assert [text for text in told if secret in text] == []
        assert secret not in written.getvalue()
    assert "messaging.kafka.message.key" not in str(told)
    assert receipt["id"] not in str([span.name for span in done()])


def test_a_span_says_of_an_error_its_class_alone(spans: InMemorySpanExporter) -> None:
    with (
        pytest.raises(ValueError, match="Aino"),
        telemetry.request("referral", "POST", "/referral/api/v1/referrals", {}),
    ):
        raise ValueError("Aino 010594Y9032")
    [span] = spans.get_finished_spans()
    assert span.status.description == "ValueError"
    assert span.events == ()


def test_of_a_callers_trace_only_the_ids_are_taken(
    spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest would be a stranger's text in our log and in our spans."""
    headers = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    for state in ("name=Aino", "Aino  Keksitty"):
        with telemetry.request("referral", "POST", "/", {**headers, "tracestate": state}):
            pass
    assert caplog.text == ""
    for span in spans.get_finished_spans():
        assert f"{span.context.trace_id:x}" == "a" * 32
        assert not span.context.trace_state
