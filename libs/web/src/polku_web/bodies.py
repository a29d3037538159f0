"""What may come in: size, type and form of a request's body, checked before any framework reads it."""

import asyncio
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from polku_web.i18n import msg
from polku_web.problems import Problem
from polku_web.strict_json import not_utf8, read_json

MAX_BYTES = 256 * 1024
BODY_S, SLOWEST = 30.0, 128 * 1024
"""A body comes within so many seconds, and a large one at so many bytes a second at least."""

_FORM_TYPE = "application/x-www-form-urlencoded"
"""Never multipart: there the sender names the codec of its fields, and Python has some that take minutes, or raise."""
_JSON_TYPES = {"/api/": ("application/json",), "/fhir/": ("application/fhir+json", "application/json")}
"""What a body may be at addresses for machines; all others take forms."""


@dataclass(frozen=True)
class Allowance:
    """What one address may be sent beyond the usual, and how long it may take.

    types: of the body, which is passed on as it comes: its route reads and checks it. max_bytes: of the body.
    database_seconds: how long the request may wait for MongoDB in all; None: its route sets a time for each step.
    """

    types: tuple[str, ...]
    max_bytes: int
    database_seconds: float | None = None


def check_target(scope: Scope) -> None:
    """Refuses an address with a NUL or bytes that are not UTF-8, and one of the API that ends with a slash.

    A redirect would have to know by which name and scheme the caller came, and take a token along. Raises Problem.
    """
    if scope["path"].endswith("/") and ("/api/" in scope["path"] or "/oauth/" in scope["path"]):
        raise Problem(404, "not-found", msg("Addresses of the API end without a slash."))
    raw = scope.get("raw_path") or scope["path"].encode()
    query = scope.get("query_string", b"")
    if b"%" not in raw and b"%" not in query and raw.isascii():
        return
    try:
        text = unquote_to_bytes(raw).decode() + unquote_to_bytes(query).decode()
    except UnicodeDecodeError:
        raise Problem(400, "malformed", msg("The address is not valid UTF-8.")) from None
    if "\0" in text:
        raise Problem(400, "malformed", msg("The address holds a character that is not allowed."))


async def checked(scope: Scope, receive: Receive, allowance: Allowance | None = None) -> Receive:
    """Reads the whole body, checks it and gives a `receive` that replays exactly those bytes.

    With an allowance only type and size are checked, the size while the body is read.
    Raises Problem 408 (too slow), 413 (too large), 415 (wrong type), 400 (not readable) or 422 (not acceptable).
    """
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return receive
    headers = Headers(scope=scope)
    stated = headers.get("content-length", "")
    limit = allowance.max_bytes if allowance else MAX_BYTES
    if stated.isdigit() and int(stated[:12]) > limit:
        raise too_large(limit)
    receive = _prompt(receive, BODY_S + limit / SLOWEST)
    if allowance:
        _check_type(allowance, headers)
        return _measured(receive, limit)
    body = await _read(receive)
    if body:
        check_body(body, scope["path"], headers.get("content-type", ""), headers.get("content-encoding", ""))
    return _replay(body, receive)


def check_body(body: bytes, path: str, content_type: str, encoding: str = "") -> None:
    """Addresses under `/api/` and `/fhir/` take JSON, all others forms. Raises Problem as `checked` does."""
    media, _, parameters = content_type.partition(";")
    media = media.strip().lower()
    if encoding not in ("", "identity"):
        raise Problem(415, "unsupported-media-type", msg("Send the body without compression."))
    json_types = next((types for part, types in _JSON_TYPES.items() if part in path), None)
    if json_types is not None:
        charset = parameters.partition("charset=")[2].partition(";")[0].strip('" ').lower()
        if media not in json_types or charset not in ("", "utf-8", "utf8"):
            raise Problem(415, "unsupported-media-type", msg("Send the body as application/json in UTF-8."))
        read_json(body)
    elif media != _FORM_TYPE:
        raise Problem(415, "unsupported-media-type", msg("Send the body as a form (%(type)s).", type=_FORM_TYPE))
    else:
        _check_form(body)


def _check_form(body: bytes) -> None:
    try:
        text = unquote_to_bytes(body).decode()
    except UnicodeDecodeError:
        raise not_utf8() from None
    if "\0" in text:
        raise Problem(400, "malformed", msg("The form holds a character that is not allowed."))


async def _read(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BYTES:
            raise too_large()
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


class ClientGone(Exception):
    """The client hung up in the middle of its body: nobody is left to answer."""


def too_large(limit: int = MAX_BYTES) -> Problem:
    """limit: bytes."""
    return Problem(413, "too-large", msg("The body is larger than %(limit)s kB.", limit=limit // 1024))


def _check_type(allowance: Allowance, headers: Headers) -> None:
    if headers.get("content-encoding", "") not in ("", "identity"):
        raise Problem(415, "unsupported-media-type", msg("Send the body without compression."))
    if media_type(headers) not in allowance.types:
        types = ", ".join(allowance.types)
        raise Problem(415, "unsupported-media-type", msg("This address takes bodies of type %(types)s.", types=types))


def media_type(headers: Headers) -> str:
    """The type of a body, without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _prompt(receive: Receive, seconds: float) -> Receive:
    """Hands on what comes. Raises Problem 408 when the body has not ended by then: nobody may hold a place for ever."""
    loop = asyncio.get_running_loop()
    until, is_whole = loop.time() + seconds, False

    async def prompt() -> Message:
        nonlocal is_whole
        if is_whole:
            return await receive()
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            raise Problem(408, "too-slow", headers={"connection": "close"}) from None
        is_whole = not message.get("more_body", False)
        return message

    return prompt


def _measured(receive: Receive, limit: int) -> Receive:
    """Hands on what comes. Raises Problem 413 beyond the limit, ClientGone when the client hangs up before its end."""
    size, is_whole = 0, False

    async def measured() -> Message:
        nonlocal size, is_whole
        message = await receive()
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
        elif not is_whole:
            raise ClientGone
        if size > limit:
            raise too_large(limit)
        return message

    return measured


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
