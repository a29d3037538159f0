"""The composition root: what runs as the API process and what as the worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from polku_referral import api, clocks, commands_api, consumer, feed_api, oauth, pages, sign_in
from polku_referral.accounts import Accounts
from polku_referral.audit import Audit
from polku_referral.desk import Desk
from polku_referral.directory import Directory
from polku_referral.feed import both, feed_senders
from polku_referral.feed_store import COUNTERS, FeedStore
from polku_referral.intake import Intake
from polku_referral.keys import SigningKeys
from polku_referral.master import WrongMasterKey, read_master_key
from polku_referral.repository import REFERRALS, Repository
from polku_referral.settings import ReferralSettings
from polku_referral.terms import read_terms
from polku_referral.tokens import Tokens
from polku_referral.vault import Vault
from polku_runtime import mongo
from polku_runtime.effects import Effects, system_effects
from polku_runtime.lease import Lease
from polku_runtime.settings import SettingsError
from polku_runtime.worker import Worker
from polku_web.app import create_app
from polku_web.codes import read_codes

SERVICE = "referral"


def create_api(settings: ReferralSettings, *, effects: Effects | None = None) -> FastAPI:
    """The ASGI app: the door, the API and the pages."""
    master, used = read_master_key(settings.master_key_file), effects or system_effects()
    codes, terms = read_codes("polku_referral"), read_terms()
    published: dict[str, SigningKeys] = {}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = app.state.database
        repository, directory = Repository(database, used), Directory(database, used)
        vault = Vault(app.state.client, database.name, master, settings.spare_keys)
        keys = published["keys"] = SigningKeys(database, master, used)
        intake = Intake(repository, vault, master, keys, terms, used, settings.base_url)
        app.state.desk = Desk(repository, directory, vault, Audit(database, used), intake, codes, terms, used)
        app.state.directory = directory
        app.state.accounts = Accounts(directory, used)
        app.state.keys = keys
        app.state.feed = feed_api.Reading(FeedStore(database, used))
        app.state.tokens = Tokens(directory, keys, used, settings.base_url)
        try:
            yield
        finally:
            await vault.close()

    async def fetch_keys() -> dict[str, Any]:
        return await published["keys"].published()  # the issuer asks itself, not its own HTTP

    return create_app(
        SERVICE,
        settings,
        routers=(sign_in.router, oauth.router, api.router, commands_api.router, feed_api.router, pages.router),
        lifespan=lifespan,
        live={
            REFERRALS: lambda referral_id: ("referrals", f"referral-{referral_id}"),
            COUNTERS: lambda channel: (feed_api.topic(channel),),
        },
        effects=used,
        fetch_keys=fetch_keys,
    )


def create_worker(settings: ReferralSettings, *, effects: Effects | None = None) -> Worker:
    """Relay and consumer. Makes the indexes that carry the rules before anything is read."""
    master, used = read_master_key(settings.master_key_file), effects or system_effects()
    client = mongo.connect(settings)
    database = mongo.database(client, settings, SERVICE)
    repository, directory = Repository(database, used), Directory(database, used)
    vault, feed = Vault(client, database.name, master), FeedStore(database, used)

    async def prepare() -> None:
        try:
            await SigningKeys(database, master, used).newest()
        except WrongMasterKey:
            # With another key persons would be made twice and shown as unreadable: nothing may begin.
            raise SettingsError("polku: POLKU_MASTER_KEY_FILE is not the key that this database began with") from None
        await repository.create_indexes()
        await directory.create_indexes()
        await feed.create_indexes()

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
        ],
        topics=consumer.TOPICS,
        apply=both(consumer.consume(consumer.Parts(repository, vault, Audit(database, used))), feed_senders(feed)),
        effects=used,
        prepare=prepare,
        tasks=[clocks.ticking(repository, read_terms(), Lease(database, "clock", used), settings.clock_seconds)],
        takes_tests=True,  # a sender that tries out its integration hears of its test referrals as of others
    )
