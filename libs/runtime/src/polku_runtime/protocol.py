"""Uvicorn's HTTP protocol with an end to patience: who does not say what it wants is hung up on.

Uvicorn bounds how long a connection may idle, not how long the head of a request may take; hundreds of connections
that send a byte now and then would stay for ever. How long a body may take is bounded by the edge (polku_web.bodies).
"""

from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_S = 10.0
"""Seconds from the first byte, or from connecting, to the end of the headers."""


class Prompt(HttpToolsProtocol):
    """Takes the head of each request within HEAD_S, or closes the connection."""

    _waiting: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._wait()
        super().data_received(data)

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
