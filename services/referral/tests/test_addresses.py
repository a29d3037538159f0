"""Where webhooks may lead: judged by the text, and again by what the name leads to at the moment of connecting."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.receiver import Receiver, receiving

from polku_referral.webhooks.addresses import NOBODY, Target, is_public, judge, read_allowed
from polku_referral.webhooks.posting import MAX_READ, Answer, Poster

NOW = datetime(2026, 3, 2, tzinfo=UTC)
LOCAL = read_allowed("127.0.0.1")
FORBIDDEN = (
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.0.8", "192.0.2.1", "198.18.0.1", "::", "::1",
    "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1",
    "2001:db8::1", "fe80::1", "fec0::1", "fc00::1", "ff02::1",
)  # fmt: skip
PUBLIC = ("8.8.8.8", "193.166.0.1", "2001:67c:2b0::1", "2a00:1450::1")


class Names:
    """A name server that answers what a test says, one answer after the other; the last stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        del host, port
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def posted(url: str, names: Any, *, allowed: Any = NOBODY, tls: Any = None) -> Answer:
    target = judge(url, read_allowed("receiver.example") if url.startswith("http:") else NOBODY)
    assert isinstance(target, Target), target
    poster = Poster(allowed, 2.0, resolve=names, tls=tls)
    try:
        return await poster.post(target, {"content-type": "application/json"}, b"{}", NOW)
    finally:
        await poster.close()


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_addresses_that_are_refused_after_the_name_was_looked_up(address: str) -> None:
    assert not is_public(ip_address(address))
    answer = await posted("https://receiver.example/", Names([address]))
    assert (answer.status, answer.error) == (None, "address-refused")


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


async def test_one_bad_address_among_good_ones_spoils_the_name() -> None:
    assert (await posted("https://receiver.example/", Names(["8.8.8.8", "10.0.0.1"]))).error == "address-refused"


async def test_names_that_lead_nowhere() -> None:
    assert (await posted("https://receiver.example/", Names([]))).error == "unknown-host"
    assert (await posted("https://no-such-host.invalid/", None)).error == "unknown-host"


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://localhost/"])
async def test_the_real_resolver_is_judged_too(url: str) -> None:
    poster = Poster(NOBODY, 2.0)
    answer = await poster.post(Target(True, url.split("/")[2], 443, "/"), {}, b"", NOW)
    await poster.close()
    assert answer.error == "address-refused"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving(behave=lambda _: 204) as made:
        yield made


async def test_a_name_that_turns_between_looking_and_connecting(receiver: Receiver) -> None:
    """It is looked up once per connection, and the address that was judged is the one that is connected to."""
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    url = f"http://receiver.example:{receiver.port}/"
    network = read_allowed("127.0.0.0/8")
    assert (await posted(url, names, allowed=network)).status == 204
    assert names.asked == 1
    assert (await posted(url, names, allowed=network)).error == "address-refused"
    assert (len(receiver.seen), receiver.seen[0].headers["host"]) == (1, f"receiver.example:{receiver.port}")


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("http://receiver.example/", "webhook-https"),
        ("https://receiver.example:22/", "webhook-port"),
        ("https://127.0.0.1/", "webhook-address"),
        ("https://127.1/", "webhook-address"),
        ("https://2130706433/", "webhook-address"),
        ("https://0x7f.0.0.1/", "webhook-address"),
        ("https://[::1]/", "webhook-address"),
        ("https://[::ffff:127.0.0.1]/", "webhook-address"),
        ("https://169.254.169.254/latest/meta-data/", "webhook-address"),
        ("https://user:word@receiver.example/", "webhook-credentials"),
        ("https://receiver.example/#part", "not-valid"),
        ("ftp://receiver.example/", "not-valid"),
        ("file:///etc/passwd", "not-valid"),
        ("receiver.example", "not-valid"),
        ("", "not-valid"),
        ("https://receiver.example/" + "a" * 3000, "not-valid"),
    ],
)
def test_addresses_that_are_refused_by_their_text(url: str, wrong: str) -> None:
    assert judge(url, NOBODY) == wrong


def test_addresses_in_their_normal_form() -> None:
    def normal(url: str, allow: str = "") -> str:
        target = judge(url, read_allowed(allow))
        assert isinstance(target, Target), target
        return target.url

    assert normal("https://Receiver.Example.:443/a?b=c") == "https://receiver.example/a?b=c"
    assert normal("https://pääte.example:8443") == "https://xn--pte-qlaa.example:8443/"
    assert normal("http://10.20.0.5:9000/x", "10.20.0.0/16") == "http://10.20.0.5:9000/x"
    assert normal("http://island.internal/", "island.internal, 10.0.0.0/8") == "http://island.internal/"
    assert judge("http://other.internal/", read_allowed("island.internal")) == "webhook-https"
    with pytest.raises(ValueError, match="host bits"):
        read_allowed("10.20.0.5/16")


@pytest.mark.parametrize(
    ("wanted", "status", "error"),
    [(302, 302, None), ("reset", None, "broken-off"), ("hang", None, "timeout"), ("drip", 200, None), (500, 500, None)],
)
async def test_what_receivers_do(receiver: Receiver, wanted: Any, status: int | None, error: str | None) -> None:
    receiver.behave = lambda _: (302, {"location": "http://127.0.0.1:1/"}) if wanted == 302 else wanted
    poster = Poster(LOCAL, 0.5)
    answer = await poster.post(Target(False, "127.0.0.1", receiver.port, "/"), {}, b"{}", NOW)
    await poster.close()
    assert (answer.status, answer.error, len(receiver.seen)) == (status, error, 1)
    assert (len(answer.body) <= MAX_READ, answer.ms < 1000) == (True, True)


async def test_nobody_listens() -> None:
    async with receiving() as gone:
        port = gone.port
    poster = Poster(LOCAL, 1.0)
    assert (await poster.post(Target(False, "127.0.0.1", port, "/"), {}, b"{}", NOW)).error == "connect"
    await poster.close()


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("120", 120.0), ("Mon, 02 Mar 2026 00:01:00 GMT", 60.0), ("Sun, 01 Mar 2026 00:00:00 GMT", 0.0), ("soon", None)],
)
async def test_how_long_a_receiver_asks_to_wait(receiver: Receiver, said: str, seconds: float | None) -> None:
    receiver.behave = lambda _: (503, {"retry-after": said})
    poster = Poster(LOCAL, 1.0)
    answer = await poster.post(Target(False, "127.0.0.1", receiver.port, "/"), {}, b"{}", NOW)
    await poster.close()
    assert (answer.status, answer.retry_after) == (503, seconds)


async def test_the_certificate_is_of_the_name_and_not_of_the_address(tmp_path: Path) -> None:
    """The connection goes to the address that was judged; TLS asks for the host's name and checks it."""
    asked: list[str | None] = []
    server_tls = _certificate(tmp_path, "receiver.example")
    server_tls.sni_callback = lambda _, name, __: asked.append(name)
    trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]

    async def post(host: str) -> Answer:
        poster = Poster(read_allowed("127.0.0.0/8"), 2.0, resolve=Names(["127.0.0.1"]), tls=trusting)
        try:
            return await poster.post(Target(True, host, port, "/"), {}, b'{"type": "x"}', NOW)
        finally:
            await poster.close()

    assert (await post("receiver.example")).status == 204
    assert (await post("other.example")).error == "tls"
    assert asked == ["receiver.example", "other.example"]
    server.close()


def _certificate(folder: Path, name: str) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
