"""The machines' door: what proves a client, what an access token opens, and everything that does neither."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from polku_referral.door.oauth import METADATA, TOKEN
from polku_runtime.testing import Clock

from .conftest import Sender
from .material import API, NOBODY, ORIGIN, TOWN, assertion, body, token_form

Mutation = Callable[[Sender, int], str]


def part(value: object) -> str:
    return (
        base64.urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode().rstrip("=")
    )


def resigned(header: dict[str, Any] | None = None, **claims: Any) -> Mutation:
    return lambda sender, now: sender.assertion(header=header, **claims)


def timed(**offsets: float) -> Mutation:
    return lambda sender, now: sender.assertion(**{name: now + offset for name, offset in offsets.items()})


def by_hand(header: dict[str, Any] | None = None, **claims: Any) -> Mutation:
    """Rightly signed, and saying what no library would write."""

    def made(sender: Sender, now: int) -> str:
        told = jwt.decode(sender.assertion(), sender.key).claims
        said = f"{part(header or {'alg': 'ES256'})}.{part({**told, **claims})}"
        return f"{said}.{part(JWSRegistry.algorithms['ES256'].sign(said.encode(), sender.key))}"  # type: ignore[attr-defined]

    return made


def unsigned(algorithm: object) -> Mutation:
    def made(sender: Sender, now: int) -> str:
        _, payload, _ = sender.assertion().split(".")
        return f"{part({'alg': algorithm})}.{payload}."

    return made


def signed_by_a_stranger(sender: Sender, now: int) -> str:
    return assertion(sender.client_id, ECKey.generate_key("P-256"), now, jti="jti-of-a-stranger")


def with_the_key_inside(sender: Sender, now: int) -> str:
    key = ECKey.generate_key("P-256")
    return assertion(sender.client_id, key, now, header={"jwk": key.as_dict(private=False)}, jti="jti-with-a-key")


def hmac_with_the_public_key(sender: Sender, now: int) -> str:
    pem = sender.key.as_pem(private=False)
    claims = jwt.decode(sender.assertion(), sender.key).claims
    head, payload = part({"alg": "HS256"}), part(claims)
    return f"{head}.{payload}.{part(hmac.new(pem, f'{head}.{payload}'.encode(), hashlib.sha256).digest())}"


def another_algorithm(sender: Sender, now: int) -> str:
    return assertion(sender.client_id, RSAKey.generate_key(2048), now, header={"alg": "RS256"}, jti="jti-of-rsa-key")


def other_payload(sender: Sender, now: int) -> str:
    head, _, signature = sender.assertion().split(".")
    return f"{head}.{part({'iss': sender.client_id, 'sub': sender.client_id})}.{signature}"


def two_signatures(sender: Sender, now: int) -> str:
    head, payload, signature = sender.assertion().split(".")
    both = [{"protected": head, "signature": signature}] * 2
    return json.dumps({"payload": payload, "signatures": both})


ASSERTIONS: dict[str, Mutation] = {
    "nothing": lambda *_: "",
    "dots": lambda *_: "..",
    "no jwt": lambda *_: "x.y.z",
    "four parts": lambda sender, _: sender.assertion() + ".x",
    "64 kB": lambda sender, _: sender.assertion(more="x" * 64_000),
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg null": unsigned(None),
    "alg a list": unsigned(["ES256"]),
    "HS256 by the public key": hmac_with_the_public_key,
    "RS256": another_algorithm,
    "another key": signed_by_a_stranger,
    "a key carried along": with_the_key_inside,
    "kid is an address": resigned({"kid": "https://evil.example/jwks.json"}, sub="x"),
    "kid is a path": resigned({"kid": "../../../../dev/null"}, sub="x"),
    "crit that nobody knows": by_hand({"alg": "ES256", "crit": ["exp2"], "exp2": 1}),
    "crit without b64": by_hand({"alg": "ES256", "crit": ["b64"], "b64": False}),
    "an access token as typ": resigned({"typ": "at+jwt"}),
    "other payload": other_payload,
    "two signatures": two_signatures,
    "signature cut": lambda sender, _: sender.assertion()[:-6],
    "payload no object": lambda sender, _: f"{part({'alg': 'ES256'})}.{part([1])}.{part(b'x' * 64)}",
    "payload no json": lambda sender, _: f"{part({'alg': 'ES256'})}.{part(b'{')}.{part(b'x' * 64)}",
    "payload nested": lambda sender, _: f"{part({'alg': 'ES256'})}.{part(b'[' * 2500)}.{part(b'x' * 64)}",
    "header nested": lambda sender, _: f"{part(b'[' * 2500)}.{part({'sub': sender.client_id})}.{part(b'x' * 64)}",
    "payload not utf-8": lambda sender, _: f"{part({'alg': 'ES256'})}.{part(bytes([0xFF, 0xFE]))}.{part(b'x' * 64)}",
    "header a list": lambda sender, _: f"{part([1])}.{part({'sub': sender.client_id})}.{part(b'x' * 64)}",
    "unknown client": resigned(sub=NOBODY, iss=NOBODY),
    "sub an operator": resigned(sub={"$gt": ""}),
    "sub a surrogate": by_hand(sub="\ud800"),
    "sub with NUL": by_hand(sub="a\0b"),
    "sub missing": resigned(sub=...),
    "iss somebody else": resigned(iss="another"),
    "iss missing": resigned(iss=...),
    "aud somebody else": resigned(aud="https://elsewhere.example"),
    "aud the endpoint": resigned(aud=ORIGIN + TOKEN),
    "aud with a slash": resigned(aud=ORIGIN + "/"),
    "aud two": resigned(aud=[ORIGIN, "https://elsewhere.example"]),
    "aud missing": resigned(aud=...),
    "expired": timed(iat=-200, exp=-31),
    "lasts for a day": timed(exp=86_400),
    "exp missing": resigned(exp=...),
    "exp text": resigned(exp="9999999999"),
    "exp true": resigned(exp=True),
    "exp infinite": by_hand(exp=float("inf")),
    "exp not a number": by_hand(exp=float("nan")),
    "exp huge": by_hand(exp=10**400),
    "iat in the future": timed(iat=60),
    "iat long ago": timed(iat=-3600),
    "iat not a number": by_hand(iat=float("nan")),
    "nbf in the future": timed(nbf=60),
    "jti missing": resigned(jti=...),
    "jti short": resigned(jti="1234567"),
    "jti long": resigned(jti="x" * 129),
    "jti a surrogate": by_hand(jti="\ud800" * 10),
    "jti a number": resigned(jti=12345678),
    "jti an object": resigned(jti={"$ne": 1}),
}


async def test_assertions_that_prove_nothing(sender: Sender, clock: Clock) -> None:
    now = int(clock.now.timestamp())
    for name, mutation in ASSERTIONS.items():
        answer = await sender.http.post(TOKEN, data=token_form(mutation(sender, now)))
        assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"}), name
        assert answer.headers["cache-control"] == "no-store", name
    assert (await sender.sign_on()).status_code == 200


async def test_what_is_allowed(sender: Sender, clock: Clock) -> None:
    now = int(clock.now.timestamp())
    for claims in (
        {"aud": [ORIGIN]},
        {"exp": now - 29},
        {"exp": now + 300},
        {"iat": ...},
        {"nbf": now + 29},
        {"more": 1},
    ):
        answer = await sender.http.post(TOKEN, data=token_form(sender.assertion(**claims)))
        assert answer.status_code == 200, claims


async def test_an_assertion_works_once(sender: Sender, clock: Clock) -> None:
    signed = sender.assertion()
    answers = [await sender.http.post(TOKEN, data=token_form(signed)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 401, 401]
    assert (await sender.http.post(TOKEN, data=token_form(sender.assertion(jti="jti-used-twice")))).status_code == 200
    clock.advance(seconds=20)
    assert (await sender.http.post(TOKEN, data=token_form(sender.assertion(jti="jti-used-twice")))).status_code == 401


async def test_a_refused_assertion_uses_up_nothing(sender: Sender) -> None:
    assert (
        await sender.http.post(TOKEN, data=token_form(sender.assertion(jti="jti-kept-back", aud="x")))
    ).status_code == 401
    assert (await sender.http.post(TOKEN, data=token_form(sender.assertion(jti="jti-kept-back")))).status_code == 200


async def test_keys_are_rotated_without_a_gap(sender: Sender, app: FastAPI) -> None:
    admin, old, new = app.state.admin, sender.key, ECKey.generate_key("P-256", auto_kid=True)

    async def works(key: ECKey) -> bool:
        sender.key = key
        return (await sender.sign_on()).status_code == 200

    assert not await works(new)
    await admin.add_key(None, sender.client_id, None, json.dumps(new.as_dict(private=False)))
    assert await works(old)
    assert await works(new)
    await admin.remove_key(None, sender.client_id, None, str(old.kid))
    assert not await works(old)
    assert await works(new)


async def test_a_client_that_was_shut_out(sender: Sender, app: FastAPI) -> None:
    await app.state.admin.revoke(None, sender.client_id, None)
    assert (await sender.sign_on()).status_code == 401


async def test_a_client_of_an_organisation_that_has_left(sender: Sender, app: FastAPI) -> None:
    await app.state.admin.open_organisation(None, TOWN, None, active=False)
    assert (await sender.sign_on()).status_code == 401


async def test_scopes(enrol: Callable[..., Any]) -> None:
    sender: Sender = await enrol(scopes=("referrals:write", "figures:read"))
    assert (await sender.sign_on()).json()["scope"] == "referrals:write figures:read"
    narrowed = await sender.sign_on("figures:read")
    assert narrowed.json()["scope"] == "figures:read"
    assert (await sender.post(body())).status_code == 403
    refused = await sender.sign_on("referrals:read")
    assert (refused.status_code, refused.json()) == (400, {"error": "invalid_scope"})


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "unsupported_grant_type"),
        ({"client_assertion_type": "x"}, 401, "invalid_client"),
    ],
)
async def test_forms_that_ask_for_something_else(
    sender: Sender, changes: dict[str, str], status: int, error: str
) -> None:
    answer = await sender.http.post(TOKEN, data=token_form(sender.assertion(), **changes))
    assert (answer.status_code, answer.json()) == (status, {"error": error})


async def test_the_token_endpoint_takes_forms(sender: Sender) -> None:
    assert (await sender.http.post(TOKEN, json=token_form(sender.assertion()))).status_code == 415
    assert (await sender.http.post(TOKEN)).status_code == 400
    assert (await sender.http.post(TOKEN, data={"scope": "x" * 501})).status_code == 422
    assert (await sender.http.post(TOKEN, content=b"grant_type=%ff", headers={"content-type": "application/x-www-form-urlencoded"})).status_code == 400  # fmt: skip


async def test_the_metadata_lead_to_a_token(sender: Sender) -> None:
    told = (await sender.http.get(METADATA)).json()
    assert told["issuer"] == ORIGIN
    assert (await sender.http.post(told["token_endpoint"], data=token_form(sender.assertion()))).status_code == 200
    assert (await sender.http.get(told["jwks_uri"])).json()["keys"]


# -- access tokens ------------------------------------------------------------------------------------------


async def access(
    app: FastAPI, sender: Sender, clock: Clock, *, header: dict[str, Any] | None = None, **changes: Any
) -> str:
    """A token as the door would issue it, with something changed: what a leaked signing key could not mend."""
    key = await app.state.keys.signer()
    now = int(clock.now.timestamp())
    claims = {
        "iss": ORIGIN, "aud": ORIGIN, "sub": sender.client_id, "client_id": sender.client_id, "organisation": TOWN,
        "scope": "referrals:read", "iat": now, "exp": now + 600, "jti": "1",
    }  # fmt: skip
    said = {name: value for name, value in {**claims, **changes}.items() if value is not ...}
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": key.kid, **(header or {})}, said, key)


async def access_tokens(app: FastAPI, sender: Sender, clock: Clock) -> dict[str, str]:
    """Tokens that are not to be trusted, by what is wrong with them."""
    now = int(clock.now.timestamp())
    good = await access(app, sender, clock)
    head, payload, signature = good.split(".")
    stranger = ECKey.generate_key("P-256", {"kid": (await app.state.keys.signer()).kid})
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return {
        "nothing": "",
        "no jwt": "x",
        "alg none": f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{payload}.",
        "HS256": jwt.encode(
            {"alg": "HS256", "typ": "at+jwt"}, claims, OctKey.import_key(json.dumps(stranger.as_dict(private=False)))
        ),
        "another key": jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": stranger.kid}, claims, stranger),
        "kid an address": await access(app, sender, clock, header={"kid": "https://evil.example/jwks"}),
        "kid a number": f"{part({'alg': 'ES256', 'typ': 'at+jwt', 'kid': 5})}.{payload}.{signature}",
        "kid an object": f"{part({'alg': 'ES256', 'typ': 'at+jwt', 'kid': {}})}.{payload}.{signature}",
        "header a list": f"{part([1])}.{payload}.{signature}",
        "typ JWT": await access(app, sender, clock, header={"typ": "JWT"}),
        "typ a receipt": await access(app, sender, clock, header={"typ": "polku-receipt+jwt"}),
        "crit": f"{part({'alg': 'ES256', 'typ': 'at+jwt', 'crit': ['x'], 'x': 1})}.{payload}.{signature}",
        "payload changed": f"{head}.{part({**claims, 'scope': 'referrals:write'})}.{signature}",
        "payload a list": f"{head}.{part([1])}.{signature}",
        "signature gone": f"{head}.{payload}.",
        "64 kB": await access(app, sender, clock, more="x" * 64_000),
        "an assertion": sender.assertion(),
        "another issuer": await access(app, sender, clock, iss="https://elsewhere.example"),
        "another audience": await access(app, sender, clock, aud="https://elsewhere.example"),
        "expired": await access(app, sender, clock, exp=now - 31),
        "exp missing": await access(app, sender, clock, exp=...),
        "exp text": await access(app, sender, clock, exp="soon"),
        "nbf in the future": await access(app, sender, clock, nbf=now + 60),
        "iat in the future": await access(app, sender, clock, iat=now + 60),
        "iss missing": await access(app, sender, clock, iss=...),
        "aud missing": await access(app, sender, clock, aud=...),
        "sub missing": await access(app, sender, clock, sub=...),
        "client missing": await access(app, sender, clock, client_id=...),
        "client a list": await access(app, sender, clock, client_id=[sender.client_id]),
        "iat missing": await access(app, sender, clock, iat=...),
        "iat huge": await access(app, sender, clock, iat=-(10**20)),
        "header nested": f"{part(b'[' * 2500)}.{payload}.{signature}",
        "payload nested": f"{head}.{part(b'[' * 2500)}.{signature}",
        "two signatures": json.dumps({"payload": payload, "signatures": [{"protected": head, "signature": signature}]}),
    }


async def test_access_tokens_that_open_nothing(app: FastAPI, sender: Sender, clock: Clock) -> None:
    good, tokens = await access(app, sender, clock), await access_tokens(app, sender, clock)
    for name, token in tokens.items():
        answer = await sender.http.get(f"{API}/referrals", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401, name
        assert answer.json()["code"] == "not-signed-in", name
        assert token[:20] not in answer.text or not token, name
    assert (await sender.http.get(f"{API}/referrals", headers={"authorization": f"Bearer {good}"})).status_code == 200
    for scheme in ("Basic", "DPoP", ""):
        answer = await sender.http.get(f"{API}/referrals", headers={"authorization": f"{scheme} {good}"})
        assert answer.status_code == 401, scheme


async def test_an_access_token_ends(sender: Sender, clock: Clock) -> None:
    clock.advance(minutes=10)
    assert (await sender.get("/referrals")).status_code == 200  # the leeway
    clock.advance(seconds=31)
    assert (await sender.get("/referrals")).status_code == 401


async def test_a_token_says_who_and_what(sender: Sender, browser: Callable[..., httpx.AsyncClient]) -> None:
    answer = (await sender.sign_on()).json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 600)
    keys = KeySet.import_key_set((await browser().get("/referral/oauth/jwks")).json())
    token = jwt.decode(answer["access_token"], keys, algorithms=["ES256"])
    assert token.header["typ"] == "at+jwt"
    assert (token.claims["client_id"], token.claims["organisation"]) == (sender.client_id, TOWN)


async def test_all_processes_sign_with_one_key(app: FastAPI, referral_settings: Any) -> None:
    from polku_referral.keys import SigningKeys
    from polku_referral.master import read_master_key

    other = SigningKeys(app.state.database, read_master_key(referral_settings.master_key_file), app.state.effects)
    assert await other.published() == await app.state.keys.published()
