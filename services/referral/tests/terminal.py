"""`polku …` in the tests: what it prints, how it refuses, and whether what it made opens the door."""

import json
from collections.abc import Callable
from typing import Any

import httpx
from joserfc import jwt
from typer.testing import Result

from polku_referral.door.oauth import TOKEN
from polku_runtime.testing import Clock

from .material import ORIGIN, token_form

Polku = Callable[..., Any]


def printed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def refused(result: Result, what: str) -> None:
    assert result.exit_code == 1
    assert result.stderr.startswith("polku: ")
    assert result.stderr.count("\n") == 1
    assert what in result.stderr
    assert result.stdout == ""


async def token_of(http: httpx.AsyncClient, client_id: str, key: Any, clock: Clock, alg: str = "ES256") -> int:
    now = int(clock.now.timestamp())
    claims = {"iss": client_id, "sub": client_id, "aud": ORIGIN, "exp": now + 60, "jti": f"jti-{now}-0001"}
    signed = jwt.encode({"alg": alg, "kid": key.kid}, claims, key, algorithms=[alg])
    return (await http.post(TOKEN, data=token_form(signed))).status_code
