"""The listener: the app of this service with another door, only a member's routes, and mutual TLS."""

import hashlib
import re
import ssl
from asyncio import Transport
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from polku_referral import app
from polku_referral.api import codes as codes_api
from polku_referral.api import commands as commands_api
from polku_referral.api import referrals as api
from polku_referral.api import sandbox as sandbox_api
from polku_referral.batch import api as batch_api
from polku_referral.directory import Directory
from polku_referral.feed import api as feed_api
from polku_referral.files import api as import_api
from polku_referral.settings import ReferralSettings
from polku_referral.xroad import description
from polku_referral.xroad.door import Gate, MembersDoor
from polku_referral.xroad.members import Members
from polku_runtime.effects import Effects
from polku_runtime.process import serve
from polku_runtime.protocol import Prompt
from polku_runtime.settings import SettingsError
from polku_web.doors import Entry

FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)
ROUTERS = (
    api.router,
    batch_api.router,
    codes_api.router,
    commands_api.router,
    feed_api.router,
    import_api.router,
    sandbox_api.router,
)
"""The JSON door. Not its webhooks: a member cannot be called back; it polls for events."""


def create_listener(settings: ReferralSettings, *, effects: Effects | None = None) -> FastAPI:
    """The ASGI app; whoever can speak to it is believed to be the security server."""
    made = app.create_api(settings, effects=effects, routers=(offered(), description.router), door=_door)
    made.add_middleware(Gate)
    return made


def _door(made: FastAPI) -> MembersDoor:
    directory: Directory = made.state.directory
    members = Members(directory.database, directory.effects)
    return MembersDoor(members, directory, made.state.desk.audit, made.state.refusals)


def offered() -> APIRouter:
    """Of the JSON door's routes those that let machines in, as they are there."""
    router = APIRouter()
    routes = [route for found in ROUTERS for route in found.routes if isinstance(route, APIRoute)]
    router.routes += [route for route in routes if lets_machines_in(route.dependant)]
    return router


def lets_machines_in(dependant: Dependant) -> bool:
    """True when one of the route's dependencies is a door that is open to machines."""
    entry = dependant.call
    own = isinstance(entry, Entry) and entry.scopes is not None
    return own or any(lets_machines_in(inner) for inner in dependant.dependencies)


def create_server(settings: ReferralSettings, *, effects: Effects | None = None) -> uvicorn.Server:
    """The listener with its TLS. Raises SettingsError, in one line, for a setting that is missing or not usable."""
    if settings.xroad_port is None:
        raise SettingsError("polku: wrong setting: POLKU_XROAD_PORT is not set")
    tls = _tls(settings)
    return serve(create_listener(settings, effects=effects), settings.xroad_host, settings.xroad_port, **tls)


def _tls(settings: ReferralSettings) -> dict[str, Any]:
    certificate = _file(settings.xroad_certificate, "POLKU_XROAD_CERTIFICATE")
    key = _file(settings.xroad_key, "POLKU_XROAD_KEY")
    client_ca = _file(settings.xroad_client_ca, "POLKU_XROAD_CLIENT_CA")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(client_ca)
    except (ssl.SSLError, OSError):
        raise SettingsError(
            "polku: wrong setting: POLKU_XROAD_CERTIFICATE, POLKU_XROAD_KEY and POLKU_XROAD_CLIENT_CA must be PEM, "
            "the key without a password and the certificate's own"
        ) from None
    return {
        "ssl_certfile": certificate,
        "ssl_keyfile": key,
        "ssl_ca_certs": str(client_ca),
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
        "http": only_from(_fingerprints(settings.xroad_client_fingerprints)),
    }


def _file(path: Path | None, name: str) -> Path:
    if path is None:
        raise SettingsError(f"polku: wrong setting: {name} is not set, and POLKU_XROAD_PORT needs it")
    if not path.is_file():
        raise SettingsError(f"polku: wrong setting: {name} is no file that can be read")
    return path


def _fingerprints(text: str) -> frozenset[str]:
    """Also as OpenSSL prints them, in capitals and with colons."""
    found = frozenset(one.strip().replace(":", "").lower() for one in text.split(",") if one.strip())
    if not all(FINGERPRINT.fullmatch(one) for one in found):
        raise SettingsError(
            "polku: wrong setting: POLKU_XROAD_CLIENT_FINGERPRINTS: SHA-256 in hex, with commas between"
        )
    return found


def only_from(fingerprints: frozenset[str]) -> type[Prompt]:
    """The protocol that hangs up, unread, on certificates other than these; with none of them on nobody."""

    class Pinned(Prompt):
        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
            self.is_let_in = not fingerprints or _fingerprint(transport) in fingerprints
            if self.is_let_in:
                super().connection_made(transport)
            else:
                transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            if self.is_let_in:
                super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.is_let_in:
                super().data_received(data)

    return Pinned


def _fingerprint(transport: Transport) -> str:
    certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return hashlib.sha256(certificate or b"").hexdigest()
