"""Sessions open for every service that shares the ring, and end when they should; tokens are trusted by proof alone."""

import asyncio
import base64
import hmac
import json
import time
from datetime import timedelta

import httpx
import pytest
from cryptography.fernet import Fernet
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from polku_runtime.access import NoKeys, Session, SessionSeal, StaffMember, TokenError, TokenVerifier
from polku_runtime.access.sessions import ABSOLUTE, IDLE
from polku_runtime.testing import Clock

ORIGIN = "https://polku.example"


def sealed(seal: SessionSeal, clock: Clock) -> str:
    return seal.seal(Session("s1", "staff-1", clock.now, clock.now))


def test_a_rotated_ring_opens_old_cookies_and_a_foreign_ring_none(clock: Clock) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    cookie = sealed(SessionSeal(old, ORIGIN), clock)
    assert SessionSeal(f"{new},{old}", ORIGIN).open(cookie, clock.now) is not None
    assert SessionSeal(new, ORIGIN).open(cookie, clock.now) is None
    assert SessionSeal(old, ORIGIN).open(cookie[:-2] + ("BA" if cookie.endswith("AA") else "AA"), clock.now) is None


def test_idle_and_absolute_time_end_it(clock: Clock) -> None:
    seal = SessionSeal(Fernet.generate_key().decode(), ORIGIN)
    cookie = sealed(seal, clock)
    assert seal.open(cookie, clock.now + IDLE) is not None
    assert seal.open(cookie, clock.now + IDLE + timedelta(seconds=1)) is None
    used = seal.seal(Session("s1", "staff-1", clock.now, clock.now + ABSOLUTE))
    assert seal.open(used, clock.now + ABSOLUTE + timedelta(seconds=1)) is None


def test_the_cookie_is_pinned_to_the_origin_where_there_is_tls() -> None:
    key = Fernet.generate_key().decode()
    assert SessionSeal(key, ORIGIN).cookie_name == "__Host-polku"
    assert SessionSeal(key, "http://127.0.0.1:8700").cookie_name == "polku"


def test_a_session_older_than_the_revocation_is_nobody(clock: Clock) -> None:
    session = Session("s1", "staff-1", clock.now, clock.now)
    member = StaffMember(id="staff-1", roles={"coach"}, active=True, sessions_valid_from=clock.now)
    assert member.principal(session) is not None
    assert member.model_copy(update={"active": False}).principal(session) is None
    later = clock.now + timedelta(seconds=1)
    assert member.model_copy(update={"sessions_valid_from": later}).principal(session) is None


KEY = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"})
OTHER = ECKey.generate_key("P-256", {"kid": "k1"})


def claims(**changes: object) -> dict[str, object]:
    now = int(time.time())
    return {
        "iss": ORIGIN, "aud": ORIGIN, "sub": "c1", "client_id": "c1", "exp": now + 60, "iat": now,
        "organisation": "o1", "scope": "referrals:write", **changes,
    }  # fmt: skip


def hmac_token(body: dict[str, object]) -> str:
    """HS256 signed with the public key as the secret: the classic confusion of algorithms."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "at+jwt", "kid": "k1"}, body)]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = hmac.digest(KEY.as_pem(private=False), signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


@pytest.fixture
def verifier() -> TokenVerifier:
    async def fetch() -> dict[str, object]:
        return dict(KeySet([KEY]).as_dict(private=False))

    return TokenVerifier(ORIGIN, ORIGIN, fetch)


async def test_a_good_token_is_a_client(verifier: TokenVerifier) -> None:
    principal = await verifier.verify(jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "k1"}, claims(), KEY))
    assert (principal.kind, principal.id, principal.organisation_id) == ("client", "c1", "o1")
    assert principal.has_scope("referrals:write")


def good_token() -> str:
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "k1"}, claims(), KEY)


async def test_a_retired_key_is_forgotten_and_a_door_that_is_down_is_borne(monkeypatch: pytest.MonkeyPatch) -> None:
    published: list[ECKey] = [KEY]

    async def fetch() -> dict[str, object]:
        if not published:
            raise httpx.ConnectError("down")
        return dict(KeySet(list(published)).as_dict(private=False))

    verifier = TokenVerifier(ORIGIN, ORIGIN, fetch)
    await verifier.verify(good_token())
    published[:] = [OTHER]
    await verifier.verify(good_token())  # kept for a moment
    monkeypatch.setattr("polku_runtime.access.tokens.KEYS_FRESH_S", -1.0)
    monkeypatch.setattr("polku_runtime.access.tokens.REFETCH_S", -1.0)
    published.clear()
    await verifier.verify(good_token())
    published[:] = [OTHER]
    with pytest.raises(TokenError):
        await verifier.verify(good_token())


async def test_a_door_that_does_not_answer_is_asked_once_for_all() -> None:
    asked = 0

    async def fetch() -> dict[str, object]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        raise httpx.ConnectError("down")

    verifier = TokenVerifier(ORIGIN, ORIGIN, fetch)
    found = await asyncio.gather(*(verifier.verify(good_token()) for _ in range(20)), return_exceptions=True)
    assert {type(one) for one in found} == {NoKeys}
    assert asked == 1


@pytest.mark.parametrize(
    "token",
    [
        jwt.encode({"alg": "ES256", "typ": "JWT", "kid": "k1"}, claims(), KEY),
        jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "k1"}, claims(), OTHER),
        jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "k1"}, claims(exp=1), KEY),
        jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "k1"}, claims(aud="https://else.example"), KEY),
        jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": "k1"}, claims(iss="https://else.example"), KEY),
        hmac_token(claims()),
        "a.b.c",
        "",
        "x" * 70_000,
    ],
    ids=["typ", "signature", "expired", "audience", "issuer", "hmac with the public key", "form", "empty", "huge"],
)  # fmt: skip
async def test_a_bad_token_is_nobody(verifier: TokenVerifier, token: str) -> None:
    with pytest.raises(TokenError):
        await verifier.verify(token)
