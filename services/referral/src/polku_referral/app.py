"""The composition root: what runs as the API process and what as the worker."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI

from polku_referral import clocks, consumer, pages
from polku_referral.admin import agreement_pages, client_pages, code_pages, member_api, member_pages
from polku_referral.admin import api as admin_api
from polku_referral.admin import pages as admin_pages
from polku_referral.admin.admin import Admin
from polku_referral.admin.agreements import Agreements
from polku_referral.api import codes as codes_api
from polku_referral.api import commands as commands_api
from polku_referral.api import referrals as api
from polku_referral.api import sandbox as sandbox_api
from polku_referral.audit import Audit
from polku_referral.batch import api as batch_api
from polku_referral.batch.jobs import Jobs
from polku_referral.batch.jobs_store import JobStore
from polku_referral.code_maps import CodeMaps
from polku_referral.desk import Desk
from polku_referral.directory import Directory
from polku_referral.door import oauth, sign_in
from polku_referral.door.accounts import Accounts
from polku_referral.door.refusals import TOKEN, Refusals
from polku_referral.door.remote_keys import RemoteKeys
from polku_referral.door.tokens import Tokens
from polku_referral.feed import api as feed_api
from polku_referral.feed.consumer import both, feed_senders
from polku_referral.feed.store import COUNTERS, FeedStore
from polku_referral.fhir import finding as fhir_finding
from polku_referral.fhir import outcomes
from polku_referral.fhir import router as fhir_api
from polku_referral.files import api as import_api
from polku_referral.files.apart import Workbooks
from polku_referral.intake import Intake
from polku_referral.keeping import Keeper
from polku_referral.keys import SigningKeys
from polku_referral.master import MasterKey, WrongMasterKey, read_master_key
from polku_referral.repository import REFERRALS, Repository
from polku_referral.settings import ReferralSettings
from polku_referral.terms import read_terms
from polku_referral.vault import Vault
from polku_referral.webhooks import api as webhook_api
from polku_referral.webhooks.addresses import read_allowed
from polku_referral.webhooks.delivery import Delivery
from polku_referral.webhooks.endpoints import open_webhooks
from polku_referral.webhooks.posting import Poster
from polku_referral.xroad.members import Members
from polku_runtime import mongo
from polku_runtime.access import TokenError
from polku_runtime.effects import Effects, system_effects
from polku_runtime.lease import Lease
from polku_runtime.metrics import Metrics
from polku_runtime.mongo import Client, Database
from polku_runtime.settings import SettingsError
from polku_runtime.worker import Worker
from polku_web.app import create_app
from polku_web.codes import read_codes
from polku_web.doors import Door

SERVICE = "referral"


def create_api(
    settings: ReferralSettings,
    *,
    effects: Effects | None = None,
    routers: Sequence[APIRouter] = (),
    door: Callable[[FastAPI], Door] | None = None,
) -> FastAPI:
    """The ASGI app: the door, the API and the pages.

    routers: other routes instead of all. door: makes another door, once the app's parts are there.
    """
    master, used = read_master_key(settings.master_key_file), effects or system_effects()
    published: dict[str, SigningKeys] = {}
    noting: list[Refusals] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = app.state.database
        desk = app.state.desk = _desk(settings, app.state.client, database, master, used, settings.spare_keys)
        directory, audit, allowed = desk.directory, desk.audit, read_allowed(settings.webhook_allow)
        keys = published["keys"] = desk.intake.keeper.keys
        app.state.jobs = JobStore(database, desk.vault, used)
        app.state.workbooks = Workbooks()
        app.state.directory = directory
        app.state.accounts = Accounts(directory, used)
        app.state.keys = keys
        app.state.told_elsewhere = {outcomes.BASE: outcomes.answer}
        app.state.feed = feed_api.Reading(FeedStore(database, used))
        app.state.admin = Admin(directory, desk.agreements, audit, desk.codes, allowed, used)
        app.state.refusals = refusals = Refusals(audit, directory)
        noting.append(refusals)
        app.state.webhooks = open_webhooks(database, used, allowed=allowed, master=master)
        remote_keys = RemoteKeys(allowed, used)
        app.state.tokens = Tokens(directory, keys, remote_keys, used, settings.base_url)
        if door is not None:
            app.state.door = door(app)
        try:
            yield
        finally:
            await refusals.finish()
            await remote_keys.close()
            await desk.vault.close()

    async def on_refused(refused: TokenError) -> None:
        await noting[-1].note(TOKEN, refused.reason, refused.client_id)

    async def fetch_keys() -> dict[str, Any]:
        return await published["keys"].published()  # the issuer asks itself, not its own HTTP

    return create_app(
        SERVICE,
        settings,
        routers=routers
        or (
            sign_in.router,
            oauth.router,
            api.router,
            commands_api.router,
            sandbox_api.router,
            codes_api.router,
            batch_api.router,
            import_api.router,
            admin_api.router,
            member_api.router,
            feed_api.router,
            webhook_api.router,
            fhir_api.router,
            fhir_finding.router,
            pages.router,
            admin_pages.router,
            client_pages.router,
            agreement_pages.router,
            member_pages.router,
            code_pages.router,
        ),
        lifespan=lifespan,
        live={
            REFERRALS: lambda referral_id: ("referrals", f"referral-{referral_id}"),
            COUNTERS: lambda channel: (feed_api.topic(channel),),
        },
        effects=used,
        fetch_keys=fetch_keys,
        on_refused=on_refused,
        allowances={**batch_api.ALLOWANCES, **import_api.ALLOWANCES, **fhir_finding.ALLOWANCES},
    )


def create_worker(settings: ReferralSettings, *, effects: Effects | None = None) -> Worker:
    """Relay and consumer. Makes the indexes that carry the rules before anything is read."""
    master, used = read_master_key(settings.master_key_file), effects or system_effects()
    client = mongo.connect(settings)
    database = mongo.database(client, settings, SERVICE)
    desk, metrics = _desk(settings, client, database, master, used), Metrics()
    repository, directory, jobs = desk.repository, desk.directory, JobStore(database, desk.vault, used)
    allowed = read_allowed(settings.webhook_allow)
    webhooks = open_webhooks(database, used, allowed=allowed, master=master)
    delivery = Delivery(
        database=database,
        webhooks=webhooks,
        poster=Poster(allowed, settings.webhook_timeout),
        origin=settings.base_url,
        lease=Lease(database, "webhooks", used),
        metrics=metrics,
    )
    react = consumer.consume(consumer.Parts(repository, desk.vault, desk.audit))

    async def prepare() -> None:
        try:
            await desk.intake.keeper.keys.signer()
        except WrongMasterKey:
            # With another key persons would be made twice and shown as unreadable: nothing may begin.
            raise SettingsError("polku: POLKU_MASTER_KEY_FILE is not the key that this database began with") from None
        await repository.create_indexes()
        await directory.create_indexes()
        await Members(database, used).create_indexes()
        await jobs.create_indexes()
        await webhooks.feed.create_indexes()
        await webhooks.create_indexes()

    return Worker(
        service=SERVICE,
        settings=settings,
        client=client,
        database=database,
        outboxes=[
            repository.referrals.collection,
            repository.persons.collection,
            directory.organisations.collection,
            directory.staff.collection,
            directory.clients.collection,
        ],
        topics=consumer.TOPICS,
        apply=both(react, feed_senders(webhooks.feed, webhooks.fan_out, desk.agreements.returns)),
        effects=used,
        prepare=prepare,
        tasks=[
            clocks.ticking(repository, read_terms(), Lease(database, "clock", used), settings.clock_seconds),
            delivery.run,
            Jobs(jobs, desk, Lease(database, "jobs", used)).run,
        ],
        metrics=metrics,
        takes_tests=True,  # a sender that tries out its integration hears of its test referrals as of others
    )


def _desk(
    settings: ReferralSettings, client: Client, database: Database, master: MasterKey, effects: Effects, spare: int = 0
) -> Desk:
    """What referrals are read and taken in with, by API processes and by the worker. spare: see Vault."""
    repository, directory = Repository(database, effects), Directory(database, effects)
    vault, agreements = Vault(client, database.name, master, spare), Agreements(directory, effects)
    keys, terms = SigningKeys(database, master, effects), read_terms()
    return Desk(
        repository=repository,
        directory=directory,
        vault=vault,
        master=master,
        audit=Audit(database, effects),
        intake=Intake(Keeper(repository, vault, master, keys, terms, effects, settings.base_url), agreements),
        agreements=agreements,
        codes=read_codes("polku_referral"),
        code_maps=CodeMaps(database, effects),
        terms=terms,
        effects=effects,
        identity_codes=settings.identity_codes,
    )
