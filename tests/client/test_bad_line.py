"""A line that breaks at every place: what is sent over it arrives once, and every answer is the same."""

import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

import httpx
import pytest

from polku_client import Client

from ..serving import Serving
from .material import referral

TROUBLES = ("unsent", "unanswered", "broken", "busy", "gateway")


@pytest.fixture
def line(polku: Serving) -> Iterator[tuple[str, Counter[str]]]:
    """An address in front of the service, and what happened on the way to it."""
    chance, happened = Random(7), Counter[str]()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass(b"")

        def do_POST(self) -> None:
            self._pass(self.rfile.read(int(self.headers.get("content-length", 0))))

        def _pass(self, body: bytes) -> None:
            trouble = chance.choice((*TROUBLES, *["none"] * 4))
            happened[trouble] += 1
            if trouble == "unsent":
                self.close_connection = True
                return
            if trouble in ("busy", "gateway"):
                self._say(503 if trouble == "busy" else 502, {"retry-after": "0"}, b"<html>")
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            answer = httpx.request(self.command, polku.address + self.path, content=body, headers=headers, timeout=30)
            if trouble == "unanswered":
                self.close_connection = True
                return
            kept = {name: answer.headers[name] for name in ("content-type", "etag") if name in answer.headers}
            self._say(answer.status_code, kept, answer.content, cut=trouble == "broken")

        def _say(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
            self.close_connection = cut

        def log_message(self, *said: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", happened
    server.shutdown()
    server.server_close()


def test_nothing_is_lost_or_doubled_on_a_bad_line(polku: Serving, line: tuple[str, Counter[str]]) -> None:
    address, happened = line
    machine = polku.machine()
    key = machine.key.as_dict(private=True)
    bodies = [referral(number=number) for number in range(30)]
    with Client(address, machine.client_id, key, polku.address, patience_s=60, sleep=lambda _: None) as sender:
        pushed = [sender.push(body) for body in bodies]
        taken_back = [sender.withdraw(one, "sent-in-error") for one in pushed[:10]]
    assert all(happened[trouble] for trouble in TROUBLES), happened
    assert {one.version for one in taken_back} == {2}
    with polku.client(machine) as directly:
        assert [directly.get(one.id).receipt for one in pushed] == [one.receipt for one in pushed]
        assert [len(directly.get(one.id).history) for one in pushed] == [2] * 10 + [1] * 20
    rows = polku.app.state.desk.repository.referrals.collection
    assert polku.do(rows.count_documents({"organisation_id": machine.organisation_id})) == len(bodies)
