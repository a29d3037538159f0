"""Loopback ports: finding free ones and keeping them."""

import random
import socket
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
FIRST = 20000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
USUAL_EPHEMERAL = 32768
CONNECT_S = 0.2


@dataclass(frozen=True)
class Ports:
    web: int
    worker: int
    kafka: int
    controller: int
    mongo: int


def free_port() -> int:
    """A free port under the range that outgoing connections take theirs from.

    Inside that range a client that waits for a dead server could be given the server's own port, connect to
    itself and keep the server from coming back.
    """
    end = int(EPHEMERAL.read_text().split()[0]) if EPHEMERAL.exists() else USUAL_EPHEMERAL
    while True:
        port = random.SystemRandom().randrange(FIRST, max(end, FIRST + 1000))
        if not in_use(port):
            return port


def in_use(port: int) -> bool:
    """True when nobody else can listen on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def listens(port: int) -> bool:
    """True when something accepts connections there: a cheap look before a client that complains aloud."""
    try:
        socket.create_connection((HOST, port), CONNECT_S).close()
    except OSError:
        return False
    return True
