"""What is tried again, with what, and how long: against a real socket whose answers are given beforehand."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any

import pytest
from joserfc.jwk import ECKey

from polku_client import Client, Misconfigured, NotAnswered, PolkuProblem, Referral

KEY = ECKey.generate_key("P-256").as_dict(private=True)
BODY = {"external_id": "TE-1", "reason": {"text": "ääni"}}
TAKEN = {
    "id": "r-1", "external_id": "TE-1", "case_code": "K-1", "state": "received", "version": 1,
    "received_at": "2026-03-02T08:00:00Z", "answer_due": "2026-03-09", "new_in_a_later_version": 1,
}  # fmt: skip


@dataclass
class Script:
    """answers: (status, headers, body) in order; status 0 drops the connection. seen: what arrived."""

    address: str = ""
    answers: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    proofs: list[bytes] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    token_s: int = 600

    def client(self, **more: Any) -> Client:
        return Client(self.address, "client-1", KEY, sleep=self.waits.append, **more)

    def then(self, status: int, body: Any = None, **headers: str) -> "Script":
        self.answers.append((status, headers, body))
        return self


@pytest.fixture
def polku() -> Iterator[Script]:
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            metadata = {
                "issuer": script.address,
                "token_endpoint": script.address + "/token",
                "jwks_uri": script.address + "/jwks",
            }
            self._say(200, {}, metadata) if self.path.startswith("/.well-known") else self._scripted()

        def do_POST(self) -> None:
            if self.path == "/token":
                script.proofs.append(self._body())
                self._say(200, {}, {"access_token": f"token-{len(script.proofs)}", "expires_in": script.token_s})
            else:
                self._scripted()

        def _scripted(self) -> None:
            script.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}, self._body()))
            status, headers, body = script.answers.pop(0)
            if status == 0:
                self.close_connection = True
                self.connection.close()
            else:
                self._say(status, headers, body)

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("content-length", 0)))

        def _say(self, status: int, headers: dict[str, str], body: Any) -> None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *said: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    script.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield script
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("trouble", [0, 429, 502, 503, 504])
def test_trouble_that_may_pass_is_tried_again_with_the_same_bytes_and_key(polku: Script, trouble: int) -> None:
    polku.then(trouble, b"<html>").then(trouble).then(201, TAKEN)
    with polku.client() as sender:
        pushed = sender.push(BODY, idempotency_key="avain")
    assert (pushed.id, pushed.is_new) == ("r-1", True)
    assert len({body for _, _, body in polku.seen}) == 1
    assert [headers["idempotency-key"] for _, headers, _ in polku.seen] == ['"avain"'] * 3
    assert len(polku.waits) == 2
    assert 0.25 <= polku.waits[0] <= 0.5 <= polku.waits[1] <= 1


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 415, 422, 428, 500])
def test_a_refusal_is_asked_once(polku: Script, status: int) -> None:
    problem = {"status": status, "code": "invalid", "title": "No", "errors": [{"pointer": "/a", "code": "missing"}]}
    polku.then(status, problem, content_type="application/problem+json")
    with polku.client() as sender, pytest.raises(PolkuProblem) as refused:
        sender.push(BODY)
    assert (refused.value.status, refused.value.errors[0].pointer) == (status, "/a")
    assert len(polku.seen) == 1
    assert polku.waits == []


def test_what_answers_instead_of_polku_is_a_problem_too(polku: Script) -> None:
    polku.then(403, b"<html>blocked by a firewall</html>")
    with polku.client() as sender, pytest.raises(PolkuProblem) as refused:
        sender.push(BODY)
    assert refused.value.code == "http-403"


@pytest.mark.parametrize("told", ["7", "date"])
def test_retry_after_is_kept(polku: Script, told: str) -> None:
    polku.then(503, retry_after=told if told == "7" else formatdate(time() + 7.9, usegmt=True)).then(201, TAKEN)
    with polku.client() as sender:
        sender.push(BODY)
    assert 6 < polku.waits[0] < 8


def test_patience_ends(polku: Script) -> None:
    polku.then(503, retry_after="120")
    with polku.client(patience_s=10) as sender, pytest.raises(NotAnswered, match="503"):
        sender.push(BODY)
    assert polku.waits == []


def test_a_token_is_used_until_it_is_about_to_end(polku: Script) -> None:
    polku.then(201, TAKEN).then(200, TAKEN)
    with polku.client() as sender:
        sender.push(BODY)
        sender.push(BODY)
    assert len(polku.proofs) == 1
    polku.token_s = 30
    polku.then(201, TAKEN).then(200, TAKEN)
    with polku.client() as sender:
        sender.push(BODY)
        sender.push(BODY)
    assert len(set(polku.proofs)) == 3  # each proof is another one


def test_a_refused_token_is_renewed_once(polku: Script) -> None:
    polku.then(401, {"status": 401, "code": "not-signed-in"}).then(201, TAKEN)
    with polku.client() as sender:
        sender.push(BODY)
    assert [headers["authorization"] for _, headers, _ in polku.seen] == ["Bearer token-1", "Bearer token-2"]
    polku.then(401, {"status": 401}).then(401, {"status": 401, "code": "not-signed-in"})
    with polku.client() as sender, pytest.raises(PolkuProblem) as refused:
        sender.push(BODY)
    assert refused.value.code == "not-signed-in"


def test_nobody_there_is_said_as_such() -> None:
    sender = Client("http://127.0.0.1:9", "client-1", KEY, patience_s=0)
    with sender, pytest.raises(NotAnswered, match=r"ConnectError.*refused"):
        sender.find("TE-1")
    with pytest.raises(Misconfigured, match="https"):
        Client("polku.example.fi", "client-1", KEY)


@pytest.mark.parametrize(
    "source",
    [
        "no-such-file.pem",
        "-----BEGIN PRIVATE KEY-----\nnot a key\n-----END PRIVATE KEY-----",
        '{"kty": "EC"',
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"},
        ECKey.generate_key("P-256").as_dict(private=False),
        ECKey.generate_key("P-384").as_dict(private=True),
    ],
    ids=["no file", "no PEM", "no JSON", "shared secret", "public", "other curve"],
)
def test_a_key_that_cannot_sign_here_is_refused_before_anything_is_sent(source: Any) -> None:
    with pytest.raises(Misconfigured) as refused:
        Client("http://127.0.0.1:9", "client-1", source)
    assert "c2Vj" not in str(refused.value)


def test_a_command_whose_answer_was_lost_is_sent_again_for_the_same_version(polku: Script) -> None:
    polku.then(0).then(200, {**TAKEN, "version": 2, "state": "withdrawn"})
    with polku.client() as sender:
        after = sender.withdraw(Referral.read(TAKEN), "person-declined")
    assert (after.state, after.version) == ("withdrawn", 2)
    assert [headers["if-match"] for _, headers, _ in polku.seen] == ['"1"', '"1"']


def test_a_race_that_somebody_else_won_is_told_with_the_present_state(polku: Script) -> None:
    present = {**TAKEN, "version": 2, "state": "accepted"}
    polku.then(409, {"status": 409, "code": "lost-race", "present": present})
    with polku.client() as sender, pytest.raises(PolkuProblem) as refused:
        sender.withdraw(Referral.read(TAKEN), "person-declined")
    assert refused.value.present == present
