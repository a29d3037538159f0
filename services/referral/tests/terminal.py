"""`polku …` in the tests: what it prints, how it refuses, and whether what it made opens the door."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from typer.testing import CliRunner, Result

from polku_referral import cli
from polku_referral.door.oauth import TOKEN
from polku_runtime.testing import Clock

from .material import ORIGIN, token_form

Polku = Callable[..., Any]


@pytest.fixture
def polku(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Polku:
    """`await polku("staff", "invite", …)` → the result, as a person at the terminal gets it."""
    settings = app.state.settings
    monkeypatch.setenv("POLKU_MONGO", settings.mongo)
    monkeypatch.setenv("POLKU_NAMESPACE", settings.namespace)
    monkeypatch.setenv("POLKU_SESSION_KEYS", settings.session_keys.get_secret_value())
    monkeypatch.setenv("POLKU_BASE_URL", settings.base_url)
    monkeypatch.setenv("POLKU_MASTER_KEY_FILE", str(settings.master_key_file))

    async def run(*arguments: str) -> Result:
        # In a thread: the command runs a loop of its own.
        return await asyncio.to_thread(CliRunner().invoke, cli.app, list(arguments))

    return run


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
