"""An authority's system: gets tokens by its private key and pushes referrals, again and again until answered."""

import asyncio
import time
from collections.abc import Mapping
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import uuid4

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from polku_embedded.world.people import Person

REFERRALS = "/referral/api/v1/referrals"
TOKEN_MARGIN_S = 60
AGAIN = (httpx.codes.TOO_MANY_REQUESTS, *range(500, 600))
RETRY_S = 0.3
ROUTES = (
    "employment-service",
    "adult-social-work",
    "multisectoral-service",
    "rehabilitative-work",
    "rehabilitation-unit",
)
SERVICES = ("work-activity", "group-activity", "individual-coaching", "nepsy-coaching", "training", "work-practice")


class Sender:
    """client: what `polku client add --json` printed. A trouble that may pass is tried again with the same body."""

    def __init__(self, client: Mapping[str, Any], http: httpx.AsyncClient, patience_s: float = 60) -> None:
        self.client = client
        self.http = http
        self.patience_s = patience_s
        self._key = ECKey.import_key(client["private_key"])
        self._token, self._until = "", 0.0

    async def token(self) -> str:
        """An access token, fetched when the last one is about to end."""
        if time.time() > self._until - TOKEN_MARGIN_S:
            answer = await self._patiently("POST", self.client["token_endpoint"], form=True)
            self._token, self._until = answer["access_token"], time.time() + answer["expires_in"]
        return self._token

    async def push(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The receipt of a referral. Raises httpx.HTTPStatusError when it is refused for good."""
        return await self._patiently("POST", REFERRALS, json=body)

    async def get(self, referral_id: str) -> dict[str, Any]:
        return await self._patiently("GET", f"{REFERRALS}/{referral_id}")

    def assertion(self) -> str:
        """A proof of the private key (RFC 7523), good for a minute and for one use."""
        now = int(time.time())
        claims = {
            "iss": self.client["client_id"],
            "sub": self.client["client_id"],
            "aud": self.client["audience"],
            "iat": now,
            "exp": now + 60,
            "jti": uuid4().hex,
        }
        return jwt.encode({"alg": "ES256", "typ": "client-authentication+jwt"}, claims, self._key)

    async def _patiently(self, method: str, url: str, *, json: Any = None, form: bool = False) -> dict[str, Any]:
        deadline = time.monotonic() + self.patience_s
        while True:
            try:
                # An assertion is good once, so every try makes its own.
                more: dict[str, Any] = {"data": self._grant()} if form else {"json": json} if json else {}
                headers = {} if form else {"authorization": f"Bearer {await self.token()}"}
                answer = await self.http.request(method, url, headers=headers, **more)
                if answer.status_code == httpx.codes.UNAUTHORIZED and not form:
                    self._until = 0.0
                elif answer.status_code not in AGAIN:
                    answer.raise_for_status()
                    said: dict[str, Any] = answer.json()
                    return said
            except httpx.TransportError:
                answer = None
            if time.monotonic() > deadline:
                raise TimeoutError(f"{method} was not answered within {self.patience_s:.0f} s")
            await asyncio.sleep(RETRY_S)

    def _grant(self) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": self.assertion(),
        }


def referral(external_id: str, person: Person, referred_on: date, random: Random) -> dict[str, Any]:
    """A body as an employment office's system would send it."""
    return {
        "external_id": external_id,
        "programme": "kainuu",
        "route": random.choices(ROUTES, weights=(60, 12, 12, 8, 8))[0],
        "service": random.choice(SERVICES),
        "referred_on": referred_on.isoformat(),
        "person": {
            "identity_code": person.identity_code,
            "given_names": person.given_names,
            "family_name": person.family_name,
            "language": random.choices(("fi", "sv", "other"), weights=(90, 4, 6))[0],
            "municipality": person.municipality,
            "phone": f"050 000 {random.randrange(1000, 9999)}",
            "protected_address": random.random() < 0.02,
        },
        "ground": {"basis": "consent", "given_on": referred_on.isoformat()},
        "labour_market": {
            "status": "unemployed",
            "since": (referred_on - timedelta(days=random.randrange(60, 1500))).isoformat(),
        },
        "reason": {"goals": ["work"], "text": "Keksitty esimerkki: päivärytmi, kuntoutuminen ja polku työhön."},
        "urgency": random.choices(("normal", "urgent"), weights=(9, 1))[0],
        "sender": {"unit": "Esimerkkiyksikkö", "name": "Essi Esimerkki", "phone": "08 000 0000"},
    }
