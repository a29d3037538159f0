"""Requests with a token, tried again while that helps: what every call of the client goes through."""

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from polku_client.keys import SigningKey
from polku_client.problems import Misconfigured, NotAnswered, problem_of

METADATA = "/.well-known/oauth-authorization-server"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AGAIN = frozenset({429, 502, 503, 504})
"""Answers after which the same request may well succeed. All other refusals stand, however often they are asked."""
FIRST_S, LONGEST_S = 0.5, 30.0
TOKEN_MARGIN_S = 60
Sleep = Callable[[float], object]


class Connection:
    """One client of one Polku. Threads may share it.

    audience: the issuer, when it differs from the address that is called (a tunnel, a proxy).
    patience_s: how long one request is tried again in all. sleep: waits between tries.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        key: SigningKey,
        http: httpx.Client,
        *,
        audience: str | None = None,
        patience_s: float = 60,
        sleep: Sleep = time.sleep,
    ) -> None:
        if not base_url.startswith(("https://", "http://")):
            raise Misconfigured("the address begins with https://")
        self.base_url = base_url.rstrip("/")
        self.client_id = client_id
        self.key = key
        self.http = http
        self.audience = audience
        self.patience_s = patience_s
        self._sleep = sleep
        self._metadata: dict[str, Any] = {}
        self._token, self._until = "", 0.0
        self._one_at_a_time = threading.Lock()

    def send(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> httpx.Response:
        """The answer to a request. The same bytes are sent at every try.

        Raises PolkuProblem for a refusal, NotAnswered when the patience ends without an answer.
        """

        def ask(token: str) -> httpx.Response:
            carried = {**(headers or {}), "authorization": f"Bearer {token}"}
            return self.http.request(method, self.base_url + path, headers=carried, **more)

        def one_try() -> httpx.Response:
            token = self.token()
            answer = ask(token)
            if answer.status_code != httpx.codes.UNAUTHORIZED:
                return answer
            self._forget(token)  # revoked, or the service's keys have changed: a fresh one may pass
            return ask(self.token())

        return self._patiently(one_try)

    def token(self) -> str:
        """An access token, fetched when there is none or the last one is about to end."""
        with self._one_at_a_time:
            if time.monotonic() > self._until:
                told = self._fetch_token()
                self._token = str(told["access_token"])
                self._until = time.monotonic() + max(0.0, float(told.get("expires_in", 0)) - TOKEN_MARGIN_S)
            return self._token

    def metadata(self) -> Mapping[str, Any]:
        """What the server says of itself (RFC 8414). Raises Misconfigured when it says that it is another one."""
        if not self._metadata:
            told = self.public(self.base_url + METADATA).json()
            if told.get("issuer") != (self.audience or self.base_url):
                raise Misconfigured(f"{self.base_url} is {told.get('issuer')}: connect to that, or give it as audience")
            self._metadata = told
        return self._metadata

    def public(self, address: str) -> httpx.Response:
        """A GET without a token, at a whole address."""
        return self._patiently(lambda: self.http.get(address))

    def _fetch_token(self) -> Mapping[str, Any]:
        endpoint, issuer = self.metadata()["token_endpoint"], self.metadata()["issuer"]

        def one_try() -> httpx.Response:  # a proof is good once, so every try makes its own
            proof = self.key.proof(self.client_id, issuer)
            form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
            return self.http.post(endpoint, data={**form, "client_assertion": proof})

        told: dict[str, Any] = self._patiently(one_try).json()
        return told

    def _forget(self, token: str) -> None:
        with self._one_at_a_time:
            if self._token == token:
                self._until = 0.0

    def _patiently(self, one_try: Callable[[], httpx.Response]) -> httpx.Response:
        """The answer that stands. Between tries it waits as it was told, else longer each time."""
        ends = time.monotonic() + self.patience_s
        for number in itertools.count():
            asked = 0.0
            try:
                answer = one_try()
            except httpx.TransportError as error:  # nobody knows whether the request arrived
                why = _named(error)
            else:
                if answer.is_success:
                    return answer
                if answer.status_code not in AGAIN:
                    raise problem_of(answer)
                asked, why = _asked_to_wait(answer), str(answer.status_code)
            # Jitter: senders that were thrown out together must not come back together.
            pause = max(asked, min(LONGEST_S, FIRST_S * 2**number) * random.uniform(0.5, 1))
            if time.monotonic() + pause > ends:
                break
            self._sleep(pause)
        raise NotAnswered(f"{self.base_url} did not answer within {self.patience_s:g} s ({why})")


def _named(error: httpx.TransportError) -> str:
    """What went wrong below HTTP. Why a connection was not made is told too; it may be a certificate."""
    return type(error).__name__ + (f": {error}" if isinstance(error, httpx.ConnectError) else "")


def _asked_to_wait(answer: httpx.Response) -> float:
    """Seconds in `Retry-After` (RFC 9110 §10.2.3), given as a number or as a time; 0 without one."""
    told = answer.headers.get("retry-after", "")
    with contextlib.suppress(ValueError, TypeError):
        return float(told) if told.isdecimal() else (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
    return 0.0
