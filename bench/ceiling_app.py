"""The ceiling of intake: FastAPI, the same pydantic body, one majority-and-journaled insert, and nothing else."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, Request
from pymongo import AsyncMongoClient

from polku_referral.wire import ReferralIn


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(
        os.environ["BENCH_MONGO"], w="majority", journal=True
    )
    app.state.referrals = client["bench"]["referrals"]
    yield
    await client.close()


app = FastAPI(lifespan=lifespan)


@app.post("/referrals", status_code=201)
async def receive(request: Request, body: ReferralIn) -> dict[str, str]:
    referral_id = str(uuid4())
    await request.app.state.referrals.insert_one({"_id": referral_id, **body.model_dump(mode="json")})
    return {"id": referral_id}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", log_level="warning", access_log=False)
