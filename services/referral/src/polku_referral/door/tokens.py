"""Access tokens for machines: OAuth 2.0 client credentials (RFC 6749 §4.4) with `private_key_jwt` (RFC 7523),
under the stricter rules of RFC 10070: the audience of an assertion is the issuer and nothing else.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from joserfc import jws, jwt
from joserfc.jwk import JWKRegistry, Key
from pymongo.errors import DuplicateKeyError

from polku_referral.directory import Directory
from polku_referral.door.client_keys import MOST_RSA
from polku_referral.door.remote_keys import KeysNotHere, RemoteKeys
from polku_referral.keys import ALGORITHM, SigningKeys
from polku_referral.model.directory import Client
from polku_runtime.access.tokens import UNREADABLE, reason_of
from polku_runtime.effects import Effects
from polku_web.formats import local_day

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ("ES256", "PS256", "Ed25519", "EdDSA")
TYPES = (None, "JWT", "client-authentication+jwt")
MAX_ASSERTION = 8192
ASSERTION_S = 300
LEEWAY_S = 30
TOKEN_S = 600
LATEST = 2**53
CLIENT_ID = re.compile(r"[!-~]{1,64}", re.ASCII)
JTI = re.compile(r"[!-~]{8,128}", re.ASCII)


class InvalidClient(Exception):
    """The assertion proves nothing. What of it may be said to who sent it, `descriptions` knows.

    reason: a code for the audit trail. claimed: whose assertion it says it is, which may be anybody's invention.
    """

    def __init__(self, reason: str, claimed: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.claimed = claimed


class NotNow(InvalidClient):
    """Nothing can be said of the assertion: the keys are at an address of the client's own that does not answer."""


class Proven(NamedTuple):
    """claims: of the assertion. key: the one of the client's keys that signed it."""

    claims: Mapping[str, Any]
    key: Key


class Assertions(jws.JWSRegistry):
    """The library's bounds, but for signatures: by the largest key that may be registered one has 1366 characters."""

    max_signature_length = -(-MOST_RSA // 6)


class Tokens:
    """Verifies assertions and issues tokens. issuer: the origin; it is also the tokens' audience."""

    def __init__(
        self, directory: Directory, keys: SigningKeys, remote_keys: RemoteKeys, effects: Effects, issuer: str
    ) -> None:
        self.directory = directory
        self.keys = keys
        self.remote_keys = remote_keys
        self.effects = effects
        self.issuer = issuer

    async def authenticate(self, assertion: str, kind: str = ASSERTION_TYPE, named: str = "") -> Client:
        """The client that signed the assertion. Raises InvalidClient, NotNow.

        kind: what the form says that it is. named: the client by the form, which need not say so (RFC 7521 §4.2).
        """
        if kind != ASSERTION_TYPE:
            raise InvalidClient("assertion-type")
        if not assertion or len(assertion) > MAX_ASSERTION or assertion.count(".") != 2:
            raise InvalidClient("malformed")
        claimed, kid = _claimed(assertion)
        if named not in ("", claimed):
            raise InvalidClient("client-id", claimed)
        try:
            return await self._proven(assertion, claimed, kid)
        except KeysNotHere:
            raise NotNow("keys-not-fetched", claimed) from None
        except InvalidClient as invalid:
            raise InvalidClient(invalid.reason, claimed) from None

    async def _proven(self, assertion: str, claimed: str, kid: str | None) -> Client:
        client = await self.directory.client(claimed)
        if client is None:
            raise InvalidClient("unknown-client")
        if not client.active:
            raise InvalidClient("revoked")
        owner = await self.directory.organisations.get(client.organisation_id)
        if client.suspended or owner is None or not owner.is_open(local_day(self.effects.now())):
            raise InvalidClient("organisation-not-open")
        keys = client.keys if client.jwks_uri is None else await self.remote_keys.of(client, kid)
        proven = _verified(assertion, keys)
        self._check(proven.claims, client.id)
        await self._use_once(client.id, proven.claims)
        await self.directory.note_use(client.id, proven.key.thumbprint())
        return client

    async def issue(self, client: Client, asked: str) -> tuple[str, list[str]]:
        """A token (RFC 9068) and the scopes that it carries: those asked for, or all that the client has.

        Raises ValueError when a scope is asked for that the client does not have.
        """
        scopes = asked.split() or list(client.granted)
        if not set(scopes) <= set(client.granted):
            raise ValueError("scope")
        now = int(self.effects.now().timestamp())
        claims = {
            "iss": self.issuer,
            "aud": self.issuer,
            "sub": client.id,
            "client_id": client.id,
            "organisation": client.organisation_id,
            "scope": " ".join(scopes),
            # In the very second in which older tokens were made void a new one counts as issued at its end.
            "iat": max(now, int(client.tokens_valid_from.timestamp())),
            "exp": now + TOKEN_S,
            "jti": self.effects.new_id(),
            **({"test": True} if client.test else {}),
        }
        key = await self.keys.signer()
        return jwt.encode({"alg": ALGORITHM, "typ": "at+jwt", "kid": key.kid}, claims, key), scopes

    def _check(self, claims: Mapping[str, Any], client_id: str) -> None:
        now = self.effects.now().timestamp()
        if claims.get("iss") != client_id or claims.get("sub") != client_id:
            raise InvalidClient("claim-iss")
        audience = claims.get("aud")
        if audience not in (self.issuer, [self.issuer]):
            raise InvalidClient("claim-aud")
        expires, issued, since = (_moment(claims, name, now) for name in ("exp", "iat", "nbf"))
        if expires <= now - LEEWAY_S:
            raise InvalidClient("expired")
        if expires > now + ASSERTION_S + LEEWAY_S or issued < now - ASSERTION_S - LEEWAY_S:
            raise InvalidClient("lasts-too-long")
        if issued > now + LEEWAY_S or since > now + LEEWAY_S:
            raise InvalidClient("not-yet")
        _text(claims, "jti", JTI)

    async def _use_once(self, client_id: str, claims: Mapping[str, Any]) -> None:
        until = self.effects.now() + timedelta(seconds=ASSERTION_S + 2 * LEEWAY_S)
        try:
            await self.directory.use_assertion(client_id, claims["jti"], until)
        except DuplicateKeyError:
            raise InvalidClient("used-before") from None


def _moment(claims: Mapping[str, Any], name: str, now: float) -> float:
    """A NumericDate claim (RFC 7519 §2). `exp` must be there, the others may be absent."""
    value = claims.get(name) if name == "exp" else claims.get(name, now)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < LATEST:
        raise InvalidClient(f"claim-{name}")
    return float(value)


def _text(claims: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise InvalidClient(f"claim-{name}")
    return value


def _claimed(assertion: str) -> tuple[str, str | None]:
    """Who the assertion says it is from and by which key, unverified: only to know whose keys to try."""
    try:
        said = jws.extract_compact(assertion.encode(), registry=Assertions())
        claimed, kid = json.loads(said.payload), said.headers().get("kid")
    except UNREADABLE:
        raise InvalidClient("malformed") from None
    client_id = _text(claimed if isinstance(claimed, dict) else {}, "sub", CLIENT_ID)
    return client_id, kid if isinstance(kid, str) else None


def _verified(assertion: str, keys: Iterable[Mapping[str, Any]]) -> Proven:
    """The claims if one of the registered keys signed them. A key named or carried in the header is not looked at."""
    reason = "no-keys"
    for jwk in keys:
        key: Key = JWKRegistry.import_key(dict(jwk))
        try:
            token = jwt.decode(assertion, key, registry=Assertions(algorithms=ALGORITHMS))
        except UNREADABLE as error:
            reason = reason_of(error)
            continue
        if token.header.get("typ") in TYPES:
            return Proven(token.claims, key)
        reason = "type"
    raise InvalidClient(reason)
