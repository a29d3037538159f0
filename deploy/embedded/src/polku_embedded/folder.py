"""The data folder of one installation: lock, ports, secrets and state. Everything that must be kept is in it."""

import fcntl
import json
import os
import secrets
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from cryptography.fernet import Fernet

from polku_embedded import Trouble
from polku_embedded.servers import free_port

MASTER_KEY_BYTES = 96
"""The size of a local master key for client-side field-level encryption."""


@dataclass(frozen=True)
class Ports:
    web: int
    worker: int
    kafka: int
    controller: int
    mongo: int


class DataFolder:
    """`POLKU_DATA`, by default `./data`."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = (path or Path(os.environ.get("POLKU_DATA") or "data")).resolve()
        self.logs = self.path / "logs"
        self.state_file = self.path / "state.json"
        self._lock: IO[str] | None = None

    def lock(self) -> None:
        """Makes the folder and takes it for this process. Raises Trouble when another one has it."""
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "lock").open("a+")
        except OSError as error:
            raise Trouble(f"the data folder {self.path} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Trouble(f"already running on {self.path} (stop it with: polku down)") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def holder(self) -> int | None:
        """The process that has the folder, if one is alive."""
        try:
            with (self.path / "lock").open("r+") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    return int(lock.read() or 0) or None
        except OSError:
            return None
        return None

    def ports(self) -> Ports:
        """The same ports at every start; the web port is POLKU_PORT's. Raises Trouble when one is in use."""
        web = int(os.environ.get("POLKU_PORT") or 8700)
        file = self.path / "ports.json"
        if file.exists():
            kept = json.loads(file.read_text("utf-8"))
        else:
            kept = {name: free_port() for name in ("worker", "kafka", "controller", "mongo")}
            self.write("ports.json", json.dumps(kept))
        ports = Ports(web=web, **kept)
        for name, port in asdict(ports).items():
            if in_use(port):
                hint = " (choose another by POLKU_PORT)" if name == "web" else f" (remove {file} for new ones)"
                raise Trouble(f"port {port} for {name} is in use{hint}")
        return ports

    def secret(self, name: str, make: Any) -> Path:
        """A file that only the owner can read, made once."""
        path = self.path / name
        if not path.exists():
            self.write(name, make())
        return path

    def environment(self, ports: Ports) -> dict[str, str]:
        """What the web and worker processes get as settings; a variable that is set outside wins."""
        origin = f"http://127.0.0.1:{ports.web}"
        keys = self.secret("session.keys", lambda: Fernet.generate_key().decode())
        master = self.secret("master.key", lambda: secrets.token_bytes(MASTER_KEY_BYTES))
        kept = self.path / "settings.json"
        own = {
            "POLKU_HOST": "127.0.0.1",
            "POLKU_PORT": str(ports.web),
            "POLKU_WORKER_PORT": str(ports.worker),
            "POLKU_KAFKA": f"127.0.0.1:{ports.kafka}",
            "POLKU_MONGO": f"mongodb://127.0.0.1:{ports.mongo}/?replicaSet=rs0",
            "POLKU_BASE_URL": origin,
            "POLKU_JWKS_URL": f"{origin}/referral/oauth/jwks",
            "POLKU_SESSION_KEYS": keys.read_text("utf-8").strip(),
            "POLKU_MASTER_KEY_FILE": str(master),
            "POLKU_STATIC_DIR": str(Path("build/static").resolve()),
            "POLKU_DATA": str(self.path),
            **(json.loads(kept.read_text("utf-8")) if kept.exists() else {}),
        }
        return {name: os.environ.get(name) or value for name, value in own.items()}

    def keep_setting(self, name: str, value: str) -> None:
        """A setting that belongs to this folder for good, as whether its persons are artificial."""
        file = self.path / "settings.json"
        settings = json.loads(file.read_text("utf-8")) if file.exists() else {}
        self.write("settings.json", json.dumps({**settings, name: value}))

    def write(self, name: str, content: str | bytes) -> None:
        """Writes whole or not at all, readable for the owner alone."""
        path = self.path / name
        fresh = path.with_name(f".{name}.{os.getpid()}")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            fresh.touch(mode=0o600)
            fresh.write_bytes(content.encode() if isinstance(content, str) else content)
            fresh.replace(path)
        except OSError as error:
            raise Trouble(f"{path} cannot be written: {error.strerror}") from None
        finally:
            with suppress(OSError):
                fresh.unlink(missing_ok=True)

    def state(self) -> dict[str, Any]:
        """What the supervisor last said of its children; empty when it never ran."""
        try:
            said: dict[str, Any] = json.loads(self.state_file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return said


def in_use(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
