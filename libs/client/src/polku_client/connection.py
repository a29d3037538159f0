"""Requests with a token, tried again while that helps: what every call of the client goes through."""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
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
        last, renewed = 0, False
        for pause in self._tries():
            token, carried = self.token(), {**(headers or {})}
            answer = self._ask(method, self.base_url + path, {"authorization": f"Bearer {token}", **carried}, more)
            if answer is not None and answer.status_code == httpx.codes.UNAUTHORIZED and not renewed:
                renewed = True
                self._forget(token)  # revoked, or the service's keys have changed: a fresh one may pass
                continue
            if answer is not None and answer.status_code not in AGAIN:
                if answer.is_error:
                    raise problem_of(answer)
                return answer
            last = answer.status_code if answer is not None else 0
            pause(answer)
        raise NotAnswered(f"{method} was not answered within {self.patience_s:g} s" + (f" ({last})" if last else ""))

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
            told = self._patiently("GET", self.base_url + METADATA).json()
            if told.get("issuer") != (self.audience or self.base_url):
                raise Misconfigured(f"{self.base_url} is {told.get('issuer')}: connect to that, or give it as audience")
            self._metadata = told
        return self._metadata

    def public(self, address: str) -> httpx.Response:
        """A GET without a token, at a whole address."""
        return self._patiently("GET", address)

    def _fetch_token(self) -> Mapping[str, Any]:
        endpoint, issuer = self.metadata()["token_endpoint"], self.metadata()["issuer"]

        def grant() -> dict[str, Any]:  # a proof is good once, so every try makes its own
            proof = self.key.proof(self.client_id, issuer)
            form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
            return {"data": {**form, "client_assertion": proof}}

        told: dict[str, Any] = self._patiently("POST", endpoint, grant).json()
        return told

    def _forget(self, token: str) -> None:
        with self._one_at_a_time:
            if self._token == token:
                self._until = 0.0

    def _patiently(self, method: str, address: str, more: Callable[[], dict[str, Any]] = dict) -> httpx.Response:
        for pause in self._tries():
            answer = self._ask(method, address, {}, more())
            if answer is not None and answer.status_code not in AGAIN:
                if answer.is_error:
                    raise problem_of(answer)
                return answer
            pause(answer)
        raise NotAnswered(f"{address} did not answer within {self.patience_s:g} s")

    def _ask(
        self, method: str, address: str, headers: Mapping[str, str], more: Mapping[str, Any]
    ) -> httpx.Response | None:
        """None for whatever keeps an answer from arriving: nobody knows then whether the request did."""
        with contextlib.suppress(httpx.TransportError):
            return self.http.request(method, address, headers=headers, **more)
        return None

    def _tries(self) -> Iterator[Callable[[httpx.Response | None], None]]:
        """Once per try, the pause to take before the next: as told, else longer each time.

        Ends when the next pause would outlast the patience.
        """
        began, tries, over = time.monotonic(), 0, False

        def pause(answer: httpx.Response | None) -> None:
            nonlocal over
            # Jitter: senders that were thrown out together must not come back together.
            wait = min(LONGEST_S, FIRST_S * 2 ** (tries - 1)) * random.uniform(0.5, 1)
            wait = max(wait, _asked_to_wait(answer))
            over = time.monotonic() + wait > began + self.patience_s
            if not over:
                self._sleep(wait)

        while not over:
            tries += 1
            yield pause


def _asked_to_wait(answer: httpx.Response | None) -> float:
    """Seconds in `Retry-After` (RFC 9110 §10.2.3), given as a number or as a time; 0 without one."""
    told = answer.headers.get("retry-after", "") if answer is not None else ""
    if told.isdigit():
        return float(told)
    with contextlib.suppress(ValueError):
        return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
    return 0.0
