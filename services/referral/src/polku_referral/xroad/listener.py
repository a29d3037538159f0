"""The listener: the app of this service with another door, only a member's routes, and mutual TLS."""

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
from polku_referral.xroad.tls import mutual_tls
from polku_runtime.effects import Effects
from polku_runtime.process import serve
from polku_runtime.settings import SettingsError
from polku_web.doors import Entry

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
    # A member does not reach us by our own address: addresses are paths of the service, here as in every answer.
    made.state.feed.origin = ""
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
    tls = mutual_tls(settings)
    return serve(create_listener(settings, effects=effects), settings.xroad_host, settings.xroad_port, **tls)
