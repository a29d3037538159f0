"""Sending batches in tests, and following the jobs that some become."""

import asyncio
import json
from typing import Any

import httpx

from polku_referral.batch.jobs import Jobs
from polku_referral.batch.jobs_store import JobStore
from polku_referral.batch.wire import BatchOut, JobOut, ResultsOut
from polku_referral.desk import Desk

from .conftest import Sender
from .material import API

LINES = "application/x-ndjson"


def lines(*rows: object) -> bytes:
    """JSON lines; bytes stand as they are."""
    return b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)


def told(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    BatchOut.model_validate(answer.json())
    shown: dict[str, Any] = answer.json()
    return shown


def statuses(answer: httpx.Response) -> list[str]:
    return [row["status"] for row in told(answer)["results"]]


async def count(desk: Desk, name: str = "referrals") -> int:
    return await desk.repository.database[name].count_documents({})


async def finished(jobs: Jobs, store: JobStore) -> None:
    """Works until nothing is left to do, tidied away too."""
    async with asyncio.timeout(60):
        while await store.next_to_do() is not None:
            await jobs.run()


async def begun(sender: Sender, rows: list[Any], query: str = "", **headers: str) -> dict[str, Any]:
    answer = await sender.post(rows, f"/batch{query}", prefer="respond-async", **headers)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"{API}/jobs/{answer.json()['id']}"
    assert (answer.headers["retry-after"], answer.headers["preference-applied"]) == ("2", "respond-async")
    shown: dict[str, Any] = answer.json()
    JobOut.model_validate(shown)
    return shown


async def stands(sender: Sender, job: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = (await sender.get(f"/jobs/{job['id']}")).json()
    return shown


async def results(sender: Sender, job: dict[str, Any], limit: int = 4) -> list[dict[str, Any]]:
    """Every row's result, page by page."""
    address: str | None = f"{API}/jobs/{job['id']}/results?limit={limit}"
    rows: list[dict[str, Any]] = []
    while address:
        answer = await sender.http.get(address, headers=sender.headers)
        ResultsOut.model_validate(answer.json())
        rows += answer.json()["items"]
        address = answer.links["next"]["url"] if "next" in answer.links else None
    return rows
