"""Uvicorn's HTTP protocol with an end to patience: who does not say what it wants is hung up on.

Uvicorn bounds how long a connection may idle, not how long the head of a request may take; hundreds of connections
that send a byte now and then would stay for ever. Nor does it bound how large a head may become. How long a body may
take, and how large it may be, is bounded by the edge (polku_web.bodies).
"""

from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
"""Seconds from the first byte, or from connecting, to the end of the headers."""
MAX_HEAD = 64 * 1024
"""Bytes of a head that has not ended."""


class Prompt(HttpToolsProtocol):
    """Takes the head of each request within HEAD_S and MAX_HEAD, or closes the connection."""

    _waiting: TimerHandle | None = None
    _in_head = True
    _head = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head += len(data)
            self._wait()
        super().data_received(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        self._in_head, self._head = False, 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        # Only here: what comes of a body after its request has been answered is no head.
        self._in_head = True
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
