"""What is measured of batches: a thousand rows through HTTP, beside validating, encrypting and inserting the same."""

import json
import secrets
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import uvloop
from pymongo import AsyncMongoClient
from tests.installation import Installation, body, installed

from bench.figure import Figure
from polku_embedded.world.sender import REFERRALS, Sender
from polku_referral.master import MasterKey
from polku_referral.rounds import together
from polku_referral.vault import Vault
from polku_referral.wire import ReferralIn

ROWS, TURNS, AT_ONCE = 1000, 5, 16
RECEIPT = "x" * 480
"""As long as a receipt is."""


def measure(folder: Path) -> Iterator[Figure]:
    with installed(folder / "data") as installation:
        yield uvloop.run(batch(installation))


async def batch(installation: Installation) -> Figure:
    """Turn by turn, each turn with people whom nobody knows yet; the first turns warm both up."""
    ours, bare = [], []
    ports = json.loads((installation.data / "ports.json").read_text("utf-8"))
    address = f"mongodb://127.0.0.1:{ports['mongo']}/?replicaSet=rs0"
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(address, w="majority", journal=True)
    vault = Vault(client, "bench", MasterKey(secrets.token_bytes(96)))
    async with installation.sender() as sender:
        for turn in range(TURNS + 1):
            numbers = range(turn * ROWS, (turn + 1) * ROWS)
            rows = [json.dumps(body(f"BATCH-{number}", number, seed=5)).encode() for number in numbers]
            ours.append(await _sent(sender, rows))
            bare.append(await _inserted(client, vault, rows))
    await vault.close()
    await client.close()
    return Figure(
        f"batch of {ROWS:,} rows", ROWS / statistics.median(ours[1:]), "rows/s", ROWS / statistics.median(bare[1:]),
        "pydantic + the same encryption + insert_many", least_share=0.5,
    )  # fmt: skip


async def _sent(sender: Sender, rows: Sequence[bytes]) -> float:
    """Seconds until all rows are answered as created."""
    headers = {"authorization": f"Bearer {await sender.token()}", "content-type": "application/x-ndjson"}
    content = b"\n".join(rows)
    began = time.perf_counter()
    answer = await sender.http.post(f"{REFERRALS}/batch", content=content, headers=headers, timeout=60)
    took = time.perf_counter() - began
    assert answer.status_code == httpx.codes.OK, answer.text
    assert answer.json()["counts"]["created"] == len(rows)
    return took


async def _inserted(client: AsyncMongoClient[dict[str, Any]], vault: Vault, rows: Sequence[bytes]) -> float:
    """Seconds for the least that keeps the same rows as safely: a key for each person, four blobs, two inserts."""
    database, began = client["bench"], time.perf_counter()

    async def sealed(raw: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
        said = ReferralIn.model_validate_json(raw).model_dump(mode="json")
        person, notes, key = said.pop("person"), said, await vault.key()
        blobs = {"identity": person, "contact": person, "notes": notes, "receipt": {"receipt": RECEIPT}}
        made = {name: await vault.seal(key, said["external_id"], name, data) for name, data in blobs.items()}
        kept = {name: made.pop(name) for name in ("identity", "contact")}
        return {"key": key, "sealed": kept}, {"external_id": said["external_id"], "sealed": made}

    made = await together(sealed, rows, AT_ONCE)
    await database["persons"].insert_many([person for person, _ in made])
    await database["referrals"].insert_many([referral for _, referral in made])
    return time.perf_counter() - began
