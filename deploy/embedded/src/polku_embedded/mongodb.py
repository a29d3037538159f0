"""One mongod as a one-node replica set: transactions and change streams need one."""

from pathlib import Path

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from polku_embedded.ports import listens
from polku_embedded.tools import mongod

SET = "rs0"
ABANDONED_S = 5
"""How long a transaction may be open. Ours take milliseconds; one whose process was killed holds what it has written
until mongod ends it (which it looks for every half of this), and whoever needs the same documents waits as long.
"""
NOT_YET_INITIALIZED = 94


def command(data: Path, port: int) -> list[str]:
    data.mkdir(parents=True, exist_ok=True)
    return [
        mongod(),
        "--dbpath",
        str(data),
        "--port",
        str(port),
        "--bind_ip",
        "127.0.0.1",
        "--nounixsocket",
        "--replSet",
        SET,
        "--wiredTigerCacheSizeGB",
        "0.25",
        "--oplogSize",
        "512",
        "--setParameter",
        "diagnosticDataCollectionEnabled=false",
        "--setParameter",
        f"transactionLifetimeLimitSeconds={ABANDONED_S}",
        "--quiet",
    ]


def uri(port: int) -> str:
    return f"mongodb://127.0.0.1:{port}/?replicaSet={SET}"


async def answers(port: int) -> bool:
    """True when the node is primary; makes the set when it is new, or when its port has changed."""
    if not listens(port):
        return False
    address = f"127.0.0.1:{port}"
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(
        address, directConnection=True, serverSelectionTimeoutMS=1000
    )
    try:
        hello = await client.admin.command("hello")
        if hello.get("isWritablePrimary"):
            return True
        config = {"_id": SET, "members": [{"_id": 0, "host": address}]}
        try:
            known = (await client.admin.command("replSetGetConfig"))["config"]
        except OperationFailure as error:
            if error.code == NOT_YET_INITIALIZED:
                await client.admin.command("replSetInitiate", config)
        else:
            if known["members"][0]["host"] != address:
                again = {**config, "version": known["version"] + 1}
                await client.admin.command("replSetReconfig", again, force=True)
    except PyMongoError:
        return False
    finally:
        await client.close()
    return False
