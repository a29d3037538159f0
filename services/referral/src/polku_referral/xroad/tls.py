"""Mutual TLS of the listener: whose certificate is let in, and an end to connections that nobody closes.

Who is not let in hears nothing but that the connection is closed; why, is in the log for the operator of either side.
"""

import hashlib
import logging
import re
import ssl
from asyncio import Transport
from pathlib import Path
from typing import Any

from polku_referral.settings import ReferralSettings
from polku_runtime.protocol import Prompt
from polku_runtime.settings import SettingsError

log = logging.getLogger(__name__)

FINGERPRINT = re.compile(r"[0-9a-f]{64}", re.ASCII)
LINGER_S = 0.3
"""How long, when the process stops, a closed connection waits for the other side to close it too."""


def mutual_tls(settings: ReferralSettings) -> dict[str, Any]:
    """Settings of uvicorn. Raises SettingsError, in one line, for a setting that is missing or not usable."""
    certificate = _file(settings.xroad_certificate, "POLKU_XROAD_CERTIFICATE")
    key = _file(settings.xroad_key, "POLKU_XROAD_KEY")
    client_ca = _file(settings.xroad_client_ca, "POLKU_XROAD_CLIENT_CA")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = Handshake
    context.verify_mode = ssl.CERT_REQUIRED
    # The security server's own certificate may be given instead of the CA that has signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(client_ca)
    except (ssl.SSLError, OSError):
        raise SettingsError(
            "polku: wrong setting: POLKU_XROAD_CERTIFICATE, POLKU_XROAD_KEY and POLKU_XROAD_CLIENT_CA must be PEM, "
            "the key without a password and the certificate's own"
        ) from None
    return {
        "ssl_context_factory": lambda *_: context,
        "http": only_from(_fingerprints(settings.xroad_client_fingerprints)),
    }


class Handshake(ssl.SSLObject):
    """A handshake that fails is told in the log: the event loop passes over it in silence."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            _hung_up(error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason)
            raise


def _hung_up(reason: str) -> None:
    log.warning("no TLS connection with the security server", extra={"reason": reason})


def _file(path: Path | None, name: str) -> Path:
    if path is None:
        raise SettingsError(f"polku: wrong setting: {name} is not set, and POLKU_XROAD_PORT needs it")
    if not path.is_file():
        raise SettingsError(f"polku: wrong setting: {name} is no file that can be read")
    return path


def _fingerprints(text: str) -> frozenset[str]:
    """Also as OpenSSL prints them, in capitals and with colons."""
    found = frozenset(one.strip().replace(":", "").lower() for one in text.split(",") if one.strip())
    if not all(FINGERPRINT.fullmatch(one) for one in found):
        raise SettingsError(
            "polku: wrong setting: POLKU_XROAD_CLIENT_FINGERPRINTS: SHA-256 in hex, with commas between"
        )
    return found


def only_from(fingerprints: frozenset[str]) -> type[Prompt]:
    """The protocol that hangs up, unread, on certificates other than these; with none of them on nobody."""

    class Pinned(Prompt):
        is_let_in = False

        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
            found = _fingerprint(transport)
            self.is_let_in = not fingerprints or found in fingerprints
            if self.is_let_in:
                super().connection_made(transport)
            else:
                # In pairs, as OpenSSL prints it: the setting takes it as it is.
                pairs = ":".join(re.findall("..", found)).upper()
                _hung_up(f"SHA-256 {pairs} is not in POLKU_XROAD_CLIENT_FINGERPRINTS")
                transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            if self.is_let_in:
                super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.is_let_in:
                super().data_received(data)

        def shutdown(self) -> None:
            super().shutdown()
            self._let_go()

        def _let_go(self) -> None:
            # A TLS connection is closed when both sides have said so. A pool on the other side does not read what
            # stands in it, so it never would: stopping would wait for it as long as for a request in hand.
            if self.flow.write_paused or not self.transport.is_closing():  # an answer is still on its way
                self.loop.call_later(LINGER_S, self._let_go)
            else:
                self.loop.call_later(LINGER_S, self.transport.abort)

    return Pinned


def _fingerprint(transport: Transport) -> str:
    certificate = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return hashlib.sha256(certificate or b"").hexdigest()
