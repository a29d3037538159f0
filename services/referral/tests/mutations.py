"""What proves nothing: assertions and access tokens, each with one thing wrong, by what it is."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from polku_referral.door.oauth import TOKEN
from polku_runtime.testing import Clock

from .conftest import Sender
from .material import NOBODY, ORIGIN, TOWN, assertion

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
