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
    _head = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        super().data_received(data)
        self._head = 0 if self._waiting is None else self._head + len(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

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
