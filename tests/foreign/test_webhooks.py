"""The official Standard Webhooks library as the receiver of real deliveries; and this project's own beside it."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from polku_client import WebhookRefused, verify_webhook

from ..client.material import referral
from ..serving import Serving, until


@dataclass
class Receiver:
    """An authority's system. secret: empty until it knows one. came: id → body and headers of what passed."""

    address: str = ""
    secret: str = ""
    came: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)
    refused: int = 0

    def receive(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        if not self.secret:
            return 503, ""
        try:
            told = Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError:
            self.refused += 1
            return 401, ""
        if told["type"] == "webhook.challenge":
            return 200, told["data"]["challenge"]
        self.came[headers["webhook-id"]] = body, headers
        return 204, ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, said = found.receive(body, {name.lower(): value for name, value in self.headers.items()})
            self.send_response(status)
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, *said: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    found.address = f"http://127.0.0.1:{server.server_port}/polku"
    yield found
    server.shutdown()
    server.server_close()


def test_the_official_library_takes_every_delivery(polku: Serving, receiver: Receiver) -> None:
    with polku.client() as sender:
        hook = sender.webhooks.register(receiver.address)
        assert hook.secret
        receiver.secret = hook.secret
        until(lambda: sender.webhooks.get(hook.id).state == "active")
        pushed = sender.push(referral())
        sender.withdraw(pushed, "sent-in-error")
        until(lambda: len(receiver.came) == 2)
        feed = {event.id: event for event in sender.events()}
        assert receiver.refused == 0
        for id_, (body, headers) in receiver.came.items():
            event = verify_webhook(body, headers, hook.secret)
            assert (event.id, event.type, event.data) == (id_, feed[id_].type, feed[id_].data)
        assert [one.type for one in feed.values()] == ["referral.received", "referral.withdrawn"]

        fresh = sender.webhooks.rotate(hook.id)
        sender.push(referral(number=1))
        until(lambda: len(receiver.came) == 3)  # by the old secret, which signs beside the new one
        body, headers = list(receiver.came.values())[-1]
        for secret in (hook.secret, fresh):
            assert verify_webhook(body, headers, secret).type == "referral.received"
        attempts = list(sender.webhooks.attempts(hook.id))
        assert {one.type for one in attempts} >= {"webhook.challenge", "referral.received"}
        sender.webhooks.remove(hook.id)


def test_a_public_key_is_enough_to_verify(polku: Serving, receiver: Receiver) -> None:
    came: list[str] = []
    secrets: list[str] = []

    def receive(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        try:
            event = verify_webhook(body, headers, secrets)
        except WebhookRefused:
            return 401, ""
        came.append(event.type)
        return 200, event.challenge or ""

    receiver.receive = receive  # type: ignore[method-assign]
    with polku.client() as sender:
        hook = sender.webhooks.register(receiver.address, ["referral.received"], "v1a")
        assert hook.secret
        assert hook.secret.startswith("whpk_")
        secrets.append(hook.secret)
        until(lambda: sender.webhooks.get(hook.id).state == "active")
        sender.push(referral())
        until(lambda: "referral.received" in came)
        assert came[0] == "webhook.challenge"
        sender.webhooks.remove(hook.id)
