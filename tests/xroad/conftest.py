"""Polku's X-Road listener with real TLS on loopback, and the simulator's two security servers before it."""

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from joserfc.jwk import ECKey
from starlette.applications import Starlette

from polku_embedded.servers import free_port
from polku_embedded.xroad.authority import Authority, Pair
from polku_embedded.xroad.faults import Draw, FaultName, in_turn
from polku_embedded.xroad.message_log import MessageLog
from polku_embedded.xroad.servers import Network, create_simulator, trusting
from polku_referral.settings import ReferralSettings
from polku_referral.xroad.listener import create_server
from polku_referral.xroad.members import Members

from ..client.material import referral
from ..serving import SCOPES, Serving, serving, until

SERVICE = "FI-TEST/ORG/7654321-0/Polku/referrals"
TOWN, COUNTY = "FI-TEST/MUN/1234567-8/Tyollisyys", "FI-TEST/MUN/2345678-9/Hyvinvointi"
TRIAL = "FI-TEST/MUN/1234567-8/Kokeilu"
NOBODY = "FI-TEST/COM/9999999-9/Tuntematon"
REFERRALS = "/referral/api/v1/referrals"


def as_json(external_id: str = "", number: int = 0) -> dict[str, Any]:
    """A referral as it is sent."""
    told = referral(external_id, number)
    return {**told, "referred_on": told["referred_on"].isoformat()}


@dataclass
class Faults:
    """The faults of the next messages; the simulator draws from here."""

    draw: Draw = field(default_factory=in_turn)

    def next(self, *faults: FaultName | None) -> None:
        self.draw = in_turn(*faults)

    def __call__(self) -> FaultName | None:
        return self.draw()


@dataclass(frozen=True)
class Road:
    """door: address of the listener. consumer: address of the consumer's security server. told: what the simulator says."""

    polku: Serving
    settings: ReferralSettings
    authority: Authority
    security_server: Pair
    network: Network
    told: list[str]
    simulator: Starlette
    faults: Faults
    door: str
    consumer: str

    def call(self, method: str, path: str, member: str = TOWN, sent: Any = None, **headers: str) -> httpx.Response:
        """As an authority's system calls: through its own security server."""
        said = {"x-road-client": member, **{name.replace("_", "-"): value for name, value in headers.items()}}
        address = f"{self.consumer}/r1/{SERVICE}{path}"
        return httpx.request(method, address, json=sent, headers=said, timeout=40)

    def send(self, external_id: str = "", member: str = TOWN, **headers: str) -> httpx.Response:
        return self.call("POST", REFERRALS, member, sent=as_json(external_id), **headers)

    def straight(self, pair: Pair | None, **more: Any) -> httpx.Client:
        """A caller that knows where the listener is, with a certificate or without."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return httpx.Client(base_url=self.door, verify=context, **more)

    def rows(self, collection: str, **where: Any) -> list[dict[str, Any]]:
        """Documents of the referral service."""
        found = self.polku.app.state.database[collection].find(where).sort("_id")
        return self.polku.do(found.to_list())


def code_of(told: httpx.Response) -> str:
    """Of a problem that is Polku's own; X-Road's have another form."""
    assert "x-road-error" not in told.headers
    assert told.headers["content-type"] == "application/problem+json", told.text
    code: str = told.json()["code"]
    return code


async def started(server: uvicorn.Server) -> "asyncio.Task[None]":
    running = asyncio.create_task(server.serve())
    while not server.started and not running.done():
        await asyncio.sleep(0.01)
    return running


async def ended(running: "asyncio.Task[None]") -> None:
    await running


@pytest.fixture(scope="package")
def road(mongo_address: str, kafka_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    folder = tmp_path_factory.mktemp("xroad")
    authority, port, consumer_port = Authority(folder / "ca"), free_port(), free_port()
    mine, theirs, faults = authority.issue("polku"), authority.issue("security-server"), Faults()
    told: list[str] = []
    with serving(mongo_address, kafka_address, folder) as polku:
        settings = polku.app.state.settings.model_copy(
            update={
                "xroad_port": port,
                "xroad_certificate": mine.certificate,
                "xroad_key": mine.key,
                "xroad_client_ca": authority.certificate,
                "xroad_client_fingerprints": theirs.fingerprint,
                "database_seconds": 10,  # a busy machine: 503 for its slowness is not what is asked here
            }
        )
        network = Network(
            services={SERVICE: f"https://127.0.0.1:{port}", f"{SERVICE}-closed": f"https://127.0.0.1:{free_port()}"},
            members=frozenset({TOWN, COUNTY, TRIAL, NOBODY}),
            tls=trusting(authority, theirs),
            log=MessageLog(None, ECKey.generate_key("P-256")),
            draw=faults,
            timeout=5,
            tell=told.append,
        )
        simulation = create_simulator(network)
        simulator = uvicorn.Server(uvicorn.Config(simulation, port=consumer_port, log_level="warning", lifespan="on"))

        async def start() -> list[tuple[uvicorn.Server, "asyncio.Task[None]"]]:
            members = Members(polku.app.state.database, polku.app.state.directory.effects)
            await members.create_indexes()
            for name, organisation in ((TOWN, town), (COUNTY, county), (TRIAL, town)):
                await members.register(name, organisation, SCOPES, test=name == TRIAL)
            return [(server, await started(server)) for server in (create_server(settings), simulator)]

        async def stop() -> None:
            # The simulator first: then nobody holds connections to the listener, which it would wait for.
            for server, running in reversed(all_of_them):
                server.should_exit = True
                await running

        town, county = polku.organisation(), polku.organisation()
        all_of_them = polku.do(start())
        try:
            made = Road(
                polku=polku,
                settings=settings,
                authority=authority,
                security_server=theirs,
                network=network,
                told=told,
                simulator=simulation,
                faults=faults,
                door=f"https://127.0.0.1:{port}",
                consumer=f"http://127.0.0.1:{consumer_port}",
            )
            # A busy machine may take longer for the very first than a request has: then it says so, and is asked again.
            until(lambda: made.send("first").status_code != 503)
            yield made
        finally:
            polku.do(stop())
