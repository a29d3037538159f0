"""The MongoDB client, with the concerns that make "accepted" mean "kept"."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date
from typing import Any, TypeVar

from bson.codec_options import CodecOptions, TypeRegistry
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern

from polku_runtime.settings import Settings

Document = dict[str, Any]
Client = AsyncMongoClient[Document]
Database = AsyncDatabase[Document]
T = TypeVar("T")

UNAVAILABLE: tuple[type[PyMongoError], ...] = (
    AutoReconnect,
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WTimeoutError,
)
"""Errors that say "the database cannot answer now", never "the request was wrong"."""

DUPLICATE_KEY = 11000
TIMEOUT_MS = 5000
LIFETIME = "transactionLifetimeLimitSeconds"
LIFETIME_S = 10.0
"""A mongod that leaves transactions open for longer lets a killed process hold the others up for as long."""
SELECTION_MS = 1500
"""A page or an intake call must answer 503 within 2 s when MongoDB is gone."""


def connect(settings: Settings) -> Client:
    """A client bound to the running loop: majority, journaled, majority reads, 5 s for everything.

    BSON has no calendar day, so a `date` is stored as ISO text (YYYY-MM-DD). Close it with
    `await client.close()`.
    """
    return AsyncMongoClient(
        settings.mongo,
        w="majority",
        journal=True,
        readConcernLevel="majority",
        retryWrites=True,
        timeoutMS=TIMEOUT_MS,
        serverSelectionTimeoutMS=SELECTION_MS,
        connectTimeoutMS=SELECTION_MS,
        tz_aware=True,
        tzinfo=UTC,
        type_registry=TypeRegistry(fallback_encoder=_encode_day),
        appname="polku",
    )


def database(client: Client, settings: Settings, service: str) -> Database:
    """The service's own database, named after the installation and the service."""
    name = f"{settings.namespace}_{service}".replace("-", "_")
    return client.get_database(name, codec_options=CODEC, read_concern=ReadConcern("majority"))


async def transaction_lifetime(client: Client) -> float | None:
    """Seconds that mongod leaves a transaction open; None for one that does not tell us. Raises PyMongoError."""
    try:
        said = await client.admin.command({"getParameter": 1, LIFETIME: 1})
    except OperationFailure:  # our user may not ask, or it is no mongod that answers
        return None
    return float(said[LIFETIME])


async def transaction(client: Client, work: Callable[[AsyncClientSession], Awaitable[T]]) -> T:
    """Runs `work` in one transaction: it sees one moment, and all that it writes is durable or nothing of it.

    It is run again when somebody else was in the way, so it may change nothing else. Raises what `work` raises.
    """
    async with client.start_session() as session:
        return await session.with_transaction(
            work, read_concern=ReadConcern("snapshot"), write_concern=WriteConcern("majority", j=True)
        )


def _encode_day(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


CODEC: CodecOptions[Document] = CodecOptions(
    tz_aware=True, tzinfo=UTC, type_registry=TypeRegistry(fallback_encoder=_encode_day)
)


def is_unavailable(error: BaseException) -> bool:
    """True when trying again later may succeed and nothing about the request was wrong."""
    if isinstance(error, UNAVAILABLE):
        return True
    return isinstance(error, PyMongoError) and (error.timeout or error.has_error_label("TransientTransactionError"))


def only_duplicates(error: BulkWriteError) -> list[Document]:
    """What an insert of many met, if that were duplicate keys and nothing else; raises otherwise.

    An unmet write concern is no success although the rows are there: they may still be rolled back. It is
    raised as WTimeoutError, so as "try again later", without the rows that the driver's own error carries.
    """
    if unmet := error.details.get("writeConcernErrors"):
        raise WTimeoutError("the write was not acknowledged by the majority", unmet[-1].get("code")) from None
    problems: list[Document] = error.details["writeErrors"]
    if any(problem["code"] != DUPLICATE_KEY for problem in problems):
        raise error
    return problems
