"""What both systems see of X-Road: addresses, headers, hashes, errors (PR-REST 1.0.3 §4). Pure."""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import unquote

VERSION = "r1"
MAX_TARGET = 2000
PART = re.compile(r"[A-Za-z0-9'()+,\-.=?]+", re.ASCII)
CLIENT_PARTS, SERVICE_PARTS = (3, 4), 5
HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
REWRITTEN = HOP_BY_HOP | {"host", "user-agent", "server", "content-length"}
"""Headers that a security server does not pass on as they are (§4.3)."""
ITS_OWN = frozenset({"x-road-service", "x-road-request-id", "x-road-request-hash", "x-road-error"})
ANSWERED = ITS_OWN | {"x-road-client", "x-road-id"}
"""What only the security server says in an answer; from a provider it is dropped."""

Header = tuple[str, str]


class Fault(Exception):
    """An error of X-Road itself, told with `X-Road-Error`. type: begins with Client or Server (§4.6)."""

    def __init__(self, type_: str, message: str) -> None:
        super().__init__(type_)
        self.type = type_
        self.message = message

    @property
    def status(self) -> int:
        return 400 if self.type.startswith("Client.") else 500


class Call(NamedTuple):
    """One request as the consumer's security server reads it. path: with its query, as it was sent."""

    client: str
    service: str
    path: str


def read_call(target: str, headers: Sequence[Header]) -> Call:
    """target: `/r1/{instance}/{class}/{code}/{subsystem}/{service}/path?query`. Raises Fault."""
    if len(target) > MAX_TARGET:
        raise Fault("Client.BadRequest", f"The address is longer than {MAX_TARGET} characters")
    path, question, query = target.partition("?")
    empty, version, *parts = path.split("/")
    if empty or version != VERSION or len(parts) < SERVICE_PARTS:
        raise Fault("Client.BadRequest", "The address is not /r1/instance/class/member/subsystem/service/path")
    service = identifier(parts[:SERVICE_PARTS])
    # Of several the last one counts (§4.3).
    named = [value for name, value in headers if name == "x-road-client"]
    if not named:
        raise Fault("Client.MissingHeader", "X-Road-Client is missing")
    return Call(client_of(named[-1]), service, "/" + "/".join(parts[SERVICE_PARTS:]) + question + query)


def client_of(text: str) -> str:
    """The identifier of a subsystem, or of a whole member. Raises Fault when it is none."""
    parts = text.split("/")
    if len(parts) not in CLIENT_PARTS:
        raise Fault("Client.BadRequest", "A client is instance/class/member/subsystem")
    return identifier(parts)


def identifier(parts: Iterable[str]) -> str:
    """Percent-decoded parts with `/` between. Raises Fault for characters that no identifier may have (§4.8)."""
    try:
        decoded = [unquote(part, errors="strict") for part in parts]
    except UnicodeDecodeError:
        raise Fault("Client.BadRequest", "An identifier is not UTF-8") from None
    if not all(PART.fullmatch(part) for part in decoded):
        raise Fault("Client.BadRequest", "An identifier holds a character that is not allowed")
    return "/".join(decoded)


def passed_on(headers: Sequence[Header]) -> list[Header]:
    """Of a request, what reaches the provider; the rest is rewritten or is X-Road's own."""
    kept = [(name, value) for name, value in headers if name not in REWRITTEN | ITS_OWN | {"x-road-client"}]
    names = {name for name, _ in kept}
    return kept if "accept" in names else [*kept, ("accept", "application/json")]


def answered(headers: Sequence[Header]) -> list[Header]:
    """Of an answer, what reaches the consumer. Its length, encoding and date are those of the body as it is sent on."""
    dropped = REWRITTEN | ANSWERED | {"content-encoding", "date"}
    return [(name, value) for name, value in headers if name not in dropped]


def request_hash(headers: Sequence[Header], body: bytes) -> str:
    """base64 of SHA512(SHA512(headers) + SHA512(body)), of SHA512(headers) alone without a body (§4.3)."""
    said = hashlib.sha512("\r\n".join(f"{name}:{value}" for name, value in headers).encode()).digest()
    whole = hashlib.sha512(said + hashlib.sha512(body).digest()).digest() if body else said
    return base64.b64encode(whole).decode()
